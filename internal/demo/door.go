package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Door is somebody in front of a demo that serves, over HTTP: a browser with its cookies, or a program with
// its token. What the thief of the tour, the drill and the bench do goes through one.
type Door struct {
	Base   string // address of the demo, without a path
	Bearer string // a program's token, "" = none
	Agent  string // what the browser says that it is, "" = what Go says
	client *http.Client
}

// maxAnswer bounds an answer.
const maxAnswer = 16 << 20

// NewDoor is a new browser, or program, in front of the demo at base. Those that share a transport share its
// connections; nil = the program's own.
func NewDoor(base string, transport http.RoundTripper) *Door {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("demo: " + err.Error()) // it has no options that could be wrong
	}
	return &Door{Base: base, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: transport}}
}

// Cookies are those that the demo gave.
func (d *Door) Cookies() []*http.Cookie {
	base, err := url.Parse(d.Base)
	if err != nil {
		return nil
	}
	return d.client.Jar.Cookies(base)
}

// Replay is another browser with the cookies of this one.
func (d *Door) Replay(agent string) *Door {
	other := NewDoor(d.Base, d.client.Transport)
	other.Agent = agent
	if base, err := url.Parse(d.Base); err == nil {
		other.client.Jar.SetCookies(base, d.Cookies())
	}
	return other
}

// SignIn says how somebody signs in through the demo's provider.
type SignIn struct {
	Login      string
	ACR        string // means of sign-in, "" = the strongest
	Invitation string // token, "" = none
}

// SignIn signs in, and reports whether there is a session afterwards.
func (d *Door) SignIn(ctx context.Context, as SignIn) (bool, error) {
	q := url.Values{"login_hint": {as.Login}}
	if as.ACR != "" {
		q.Set("demo_acr", as.ACR)
	}
	if as.Invitation != "" {
		q.Set("invitation", as.Invitation)
	}
	if _, _, err := d.Do(ctx, http.MethodGet, "/sign-in/"+ProviderID+"?"+q.Encode(), "", nil); err != nil {
		return false, err
	}
	status, _, err := d.Call(ctx, http.MethodGet, "/me", nil)
	return status == http.StatusOK, err
}

// Call asks the API; body is sent as JSON, nil sends none. The answer's JSON object is nil if there is none.
func (d *Door) Call(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
	var text []byte
	kind := ""
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
		kind = "application/json"
	}
	return object(d.Do(ctx, method, "/api/v1"+path, kind, text))
}

// Post asks the API to do something. Any status but 200 is an error, which says its code.
func (d *Door) Post(ctx context.Context, path string, body any) (map[string]any, error) {
	status, answer, err := d.Call(ctx, http.MethodPost, path, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers %d %v", path[strings.LastIndex(path, "/"):], status, answer["code"])
	}
	return answer, err
}

// Form sends a form.
func (d *Door) Form(ctx context.Context, path string, fields url.Values) (int, map[string]any, error) {
	return object(d.Do(ctx, http.MethodPost, path, "application/x-www-form-urlencoded", []byte(fields.Encode())))
}

func object(status int, answer []byte, err error) (int, map[string]any, error) {
	var o map[string]any
	_ = json.Unmarshal(answer, &o) // a page, or nothing: no object
	return status, o, err
}

// Read asks the API for a document. Any status but 200 is an error.
func (d *Door) Read(ctx context.Context, path string, into any) error {
	status, answer, err := d.Do(ctx, http.MethodGet, "/api/v1"+path, "", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// Do sends a request, kind the type of its body, follows redirects, and reads the whole answer.
func (d *Door) Do(ctx context.Context, method, path, kind string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, d.Base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range map[string]string{"Content-Type": kind, "User-Agent": d.Agent} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if d.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.Bearer)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, strings.SplitN(path, "?", 2)[0], err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, text, err
}

var (
	examForm   = regexp.MustCompile(`name="form" value="([^"]+)"`)
	examChoice = regexp.MustCompile(`name="(q\d+)" value="(\d+)"[^>]*><label[^>]*>(.*?)</label>`)
)

// PassExam has who is signed in at a door pass the exam of a register; false: it has none. The presets are public, so
// a thief with an account knows the answers: the exam is no wall against one, and nothing takes it for one.
func (d *Demo) PassExam(ctx context.Context, at *Door, register string) (bool, error) {
	reg, err := d.Node.Registers.ByCode(ctx, register)
	if err != nil || reg.Definition.Training == nil {
		return false, err
	}
	var right []string
	for _, q := range reg.Definition.Training.Pool {
		for _, c := range q.Choices {
			if c.Right {
				right = append(right, c.FR, c.EN)
			}
		}
	}
	path := "/training/" + register + "/exam"
	status, page, err := at.Do(ctx, http.MethodGet, path, "", nil)
	form := examForm.FindSubmatch(page)
	if err != nil || form == nil {
		return false, errors.Join(err, fmt.Errorf("no exam is shown: status %d", status))
	}
	answers := url.Values{"form": {string(form[1])}}
	for _, m := range examChoice.FindAllSubmatch(page, -1) {
		if slices.Contains(right, html.UnescapeString(string(m[3]))) {
			answers.Add(string(m[1]), string(m[2]))
		}
	}
	status, _, err = at.Form(ctx, path, answers)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the exam is not graded: status %d", status)
	}
	return err == nil, err
}
