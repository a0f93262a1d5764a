package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// asset is one embedded file under the name that carries its fingerprint.
type asset struct {
	kind string // Content-Type
	data []byte
}

// assets are the embedded files. A name holds the first 12 hex digits of its SHA-256, so that a
// browser may keep it for ever and never shows a page with the style sheet of another version.
type assets struct {
	byURL map[string]asset
	url   map[string]string // plain name -> URL
}

func loadAssets() (*assets, error) {
	a := &assets{byURL: map[string]asset{}, url: map[string]string{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(e.Name())
		url := "/static/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.url[e.Name()] = url
		a.byURL[url] = asset{kind: contentType(ext), data: data}
	}
	return a, nil
}

func contentType(ext string) string {
	switch ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(ext)
}

// path is the URL of a file, for templates.
func (a *assets) path(name string) (string, error) {
	url, ok := a.url[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return url, nil
}

// serve answers an asset, or reports that there is none under this URL.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) bool {
	f, ok := a.byURL[r.URL.Path]
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Del("Vary") // the name says it all
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.data)
	}
	return true
}
