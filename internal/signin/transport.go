package signin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer is the most that a provider's answer may measure; discovery, keys and tokens are far under.
const maxAnswer = 256 << 10

var (
	errTooLarge = errors.New("the provider's answer is too large")
	errElse     = errors.New("the provider points somewhere else")
)

// boundedClient talks to one provider: with a deadline that covers the body, bounded answers, and no
// redirect off the issuer's host.
func boundedClient(issuer *url.URL, timeout time.Duration, via http.RoundTripper) *http.Client {
	if via == nil {
		via = http.DefaultTransport
	}
	return &http.Client{
		Timeout:   timeout,
		Transport: bounded{via: via, issuer: issuer},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if next.URL.Host != issuer.Host || next.Method != http.MethodGet || before[0].Method != http.MethodGet || len(before) > 3 {
				return errElse
			}
			return nil
		},
	}
}

type bounded struct {
	via    http.RoundTripper
	issuer *url.URL
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !mayCall(b.issuer, r.URL) {
		return nil, errElse
	}
	resp, err := b.via.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

// limited fails beyond its limit, where io.LimitReader would pretend that the answer ends.
type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	if len(p) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= n; l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// cause names a failed call for the log, in words of ours: a library's text may quote the answer.
func cause(err error) string {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, errTooLarge):
		return "too large"
	case errors.Is(err, errElse):
		return "redirect"
	}
	var refused *net.OpError
	if errors.As(err, &refused) {
		return "no connection"
	}
	return "not understood"
}
