package web

import (
	"context"
	"html/template"
	"maps"
	"net/http"
	"testing"

	"ecluse/internal/gate"
)

// following is a gate that counts what is withdrawn because it was never sent.
type following struct {
	*fakeRooms
	panics    bool
	withdrawn int
}

func (f *following) Disclose(ctx context.Context, r gate.Request) (gate.Outcome, error) {
	out, err := f.fakeRooms.Disclose(ctx, r)
	if out.Allowed {
		gate.Follow(ctx, func(context.Context) error { f.withdrawn++; return nil })
	}
	if f.panics {
		panic("after the receipt")
	}
	return out, err
}

// broken is a set of templates of which one page cannot be shown.
func broken(t *templates, page string) *templates {
	all := &templates{pages: map[string]map[string]*template.Template{}, texts: t.texts}
	for lang, pages := range t.pages {
		all.pages[lang] = maps.Clone(pages)
		all.pages[lang][page] = template.Must(template.New(page).Parse("before {{.P.NoSuchField}}"))
	}
	return all
}

func TestAPageThatCouldNotBeShownIsUndeliveredAndAShownOneIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Site, *following)
		status int
		want   int
	}{
		"shown":            {func(*Site, *following) {}, http.StatusOK, 0},
		"refused":          {func(_ *Site, f *following) { f.outcome.Allowed = false }, http.StatusForbidden, 0},
		"a broken page":    {func(s *Site, _ *following) { s.templates = broken(s.templates, "case") }, http.StatusInternalServerError, 1},
		"nothing but ruin": {func(s *Site, _ *following) { s.templates = broken(broken(s.templates, "case"), "error") }, http.StatusInternalServerError, 1},
		"a panic":          {func(_ *Site, f *following) { f.panics = true }, http.StatusInternalServerError, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &following{fakeRooms: newFake(t)}
			s := newSite(t, f.fakeRooms)
			s.rooms.Gate = f
			c.change(s, f)
			w := send(s, "POST", handleML, typedMarie)
			if w.Code != c.status || f.withdrawn != c.want {
				t.Errorf("%d, %d withdrawn; want %d and %d", w.Code, f.withdrawn, c.status, c.want)
			}
		})
	}
}
