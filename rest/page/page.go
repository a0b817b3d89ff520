// Package page is the page to watch a node with: HTML, style and scripts, embedded.
// It asks for nothing but the API that serves it.
package page

import (
	"embed"
	"path"
)

//go:embed index.html *.js *.css
var files embed.FS

// File returns a file of the page and its content type; false if there is none.
func File(name string) (content []byte, kind string, ok bool) {
	kind, ok = map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".css": "text/css; charset=utf-8"}[path.Ext(name)]
	if !ok || name != path.Base(name) {
		return nil, "", false
	}
	content, err := files.ReadFile(name)
	return content, kind, err == nil
}
