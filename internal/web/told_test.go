package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/notice"
	mail "ecluse/internal/post"
)

func (f *fakeRooms) Told(context.Context, ecluse.AccountID) ([]mail.Delivery, error) {
	return f.notices, nil
}

// wasTold is a manager who was told of something of every kind.
func wasTold(f *fakeRooms) {
	asManager(f)
	for i, k := range notice.Kinds() {
		state := []string{mail.Waiting, mail.Sent, mail.Failed, mail.Dropped, mail.Shown}[i%5]
		f.notices = append(f.notices, mail.Delivery{Notice: notice.Notice{ID: int64(i), Kind: k, At: testNow.Add(-time.Duration(i) * time.Hour)}, State: state})
	}
}

func TestEachNoticeLeadsToAPageThatExists(t *testing.T) {
	s := newSite(t, newFake(t))
	for _, k := range notice.Kinds() {
		path := mail.Path(k)
		if k == notice.AccountInvitation {
			path = "/invitation/{token}"
		}
		if path == "/" {
			path = "/{$}"
		}
		if !slices.ContainsFunc(s.Routes(), func(r Route) bool { return r.Method == "GET" && r.Pattern == path }) {
			t.Errorf("%s leads to %s, which is no page", k, path)
		}
	}
}

func TestOneSeesWhatOneWasToldOf(t *testing.T) {
	f := newFake(t)
	wasTold(f)
	w := send(newSite(t, f), "GET", "/me/notices", "")
	body := w.Body.String()
	for _, want := range []string{`<a href="/reviews">URGENCE déclarée</a>`, "votre compte est suspendu", "le mail n’est pas parti", "affiché ici seulement"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if w.Code != http.StatusOK || strings.Contains(body, `href="/security"`) {
		t.Errorf("%d, or a link to a page that is not this reader's", w.Code)
	}
}
