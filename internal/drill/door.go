package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// door is somebody at the doors of the instance: a browser's cookies, or a program's token.
type door struct {
	base   string
	client *http.Client
	bearer string
	agent  string // what the browser says that it is, "" = what Go says
}

// maxAnswer bounds an answer.
const maxAnswer = 16 << 20

// door is a new browser, or program, in front of the instance.
func (g *ground) door() *door {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("drill: " + err.Error()) // it has no options that could be wrong
	}
	return &door{base: g.base, client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: g.transport}}
}

// signIn goes through the federation as a login, by a means of sign-in (acr); "" = the strongest. It
// reports whether there is a session afterwards.
func (d *door) signIn(ctx context.Context, login, acr string) (bool, error) {
	path := "/sign-in/proconnect?login_hint=" + url.QueryEscape(login)
	if acr != "" {
		path += "&demo_acr=" + acr
	}
	if _, _, err := d.do(ctx, "GET", path, "", nil); err != nil {
		return false, err
	}
	status, _, err := d.call(ctx, "GET", "/me", nil)
	return status == http.StatusOK, err
}

// call asks the API; body is sent as JSON, nil sends none. The answer's JSON object is nil if there is none.
func (d *door) call(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
	var text []byte
	kind := ""
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
		kind = "application/json"
	}
	status, answer, err := d.do(ctx, method, "/api/v1"+path, kind, text)
	if err != nil {
		return status, nil, err
	}
	var object map[string]any
	_ = json.Unmarshal(answer, &object) // a page, or nothing: no object
	return status, object, nil
}

// read asks the API for a document.
func (d *door) read(ctx context.Context, path string, into any) error {
	status, answer, err := d.do(ctx, "GET", "/api/v1"+path, "", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// form sends a form.
func (d *door) form(ctx context.Context, path string, fields url.Values) (int, map[string]any, error) {
	status, answer, err := d.do(ctx, "POST", path, "application/x-www-form-urlencoded", []byte(fields.Encode()))
	var object map[string]any
	_ = json.Unmarshal(answer, &object) // an error page: no object
	return status, object, err
}

func (d *door) do(ctx context.Context, method, path, kind string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, d.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if d.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.bearer)
	}
	if d.agent != "" {
		r.Header.Set("User-Agent", d.agent)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, strings.SplitN(path, "?", 2)[0], err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, text, err
}

// Members of JSON objects, zero if they are not there.

func text(o map[string]any, member string) string {
	s, _ := o[member].(string)
	return s
}

func number(o map[string]any, member string) int {
	n, _ := o[member].(float64)
	return int(n)
}

func object(o map[string]any, member string) map[string]any {
	m, _ := o[member].(map[string]any)
	return m
}

func objects(o map[string]any, member string) (list []map[string]any) {
	all, _ := o[member].([]any)
	for _, one := range all {
		if m, ok := one.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

// texts are members that are texts; null, the value of a field that is empty, is "".
func texts(o map[string]any) map[string]string {
	m := map[string]string{}
	for k, v := range o {
		if s, ok := v.(string); ok || v == nil {
			m[k] = s
		}
	}
	return m
}

// codes are why something was refused.
func codes(o map[string]any) (list []string) {
	for _, r := range objects(o, "reasons") {
		list = append(list, text(r, "code"))
	}
	if len(list) == 0 && text(o, "code") != "" {
		list = append(list, text(o, "code"))
	}
	return list
}
