package signin

import (
	"net/url"
	"strings"
)

// maxPath bounds a path to come back to.
const maxPath = 1024

// localPath is raw if it is a path of this instance that one may be sent back to, otherwise "/". It must
// not be readable as another host by any browser: browsers take \ for / and drop tabs and line ends.
func localPath(raw string) string {
	if len(raw) > maxPath || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return "/"
	}
	for _, r := range raw {
		if r <= ' ' || r >= 0x7f {
			return "/"
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" || u.User != nil {
		return "/"
	}
	for _, part := range strings.Split(u.Path, "/") {
		if part == ".." || part == "." || strings.ContainsAny(part, "\\\x00") {
			return "/"
		}
	}
	if strings.Contains(u.Path, "//") || under(u.Path, "/sign-in") || under(u.Path, "/sign-out") {
		return "/"
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
