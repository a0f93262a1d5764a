package signin

import (
	"net/url"
	"strings"
	"testing"
)

// asBrowser resolves a Location the way browsers do (WHATWG URL): \ is /, tabs and line ends vanish.
func asBrowser(t *testing.T, location string) *url.URL {
	location = strings.NewReplacer("\\", "/", "\t", "", "\n", "", "\r", "").Replace(strings.TrimSpace(location))
	base, err := url.Parse("https://ecluse.example/sign-in/proconnect/callback")
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(location)
	if err != nil {
		t.Fatalf("%q does not parse: %v", location, err)
	}
	return u
}

func FuzzAPathToComeBackToNeverLeavesTheInstance(f *testing.F) {
	for _, seed := range []string{"/", "//a", "/\\a", "/%5Ca", "/%2F%2Fa", "/a/../..//b", "/\t/a", "http://a", "/a?b=//c#d", "/sign-in", "/a:b", "/é", "/%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := localPath(raw)
		if !strings.HasPrefix(got, "/") || localPath(got) != got || len(got) > 3*maxPath {
			t.Fatalf("%q gives %q", raw, got)
		}
		if u := asBrowser(t, got); u.Host != "ecluse.example" || u.Scheme != "https" || under(u.Path, "/sign-in") || under(u.Path, "/sign-out") {
			t.Fatalf("%q leads to %s", raw, u)
		}
	})
}
