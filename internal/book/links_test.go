package book

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	inline  = regexp.MustCompile("`[^`\n]*`")
	target  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// TestLinks: every relative link of every page leads to a file, and to a heading of it
// where it names one.
func TestLinks(t *testing.T) {
	links := 0
	for _, page := range pages(t) {
		for _, l := range linksOf(read(t, page)) {
			if strings.Contains(l, "://") || strings.HasPrefix(l, "mailto:") {
				continue
			}
			links++
			if problem := broken(page, l); problem != "" {
				t.Errorf("%s: %s: %s", page, l, problem)
			}
		}
	}
	if links < 100 {
		t.Errorf("%d links: are they read?", links)
	}
}

// TestBroken: the check finds what is broken.
func TestBroken(t *testing.T) {
	for l, ok := range map[string]bool{
		"../README.md": true, "../README.md#figures": true, "#nowhere": false, "nowhere.md": false, "../README.md#nowhere": false,
		"../sds": true, "../sds/types.go#L1": true, "../../outside.md": false,
	} {
		if problem := broken("docs/qa.md", l); (problem == "") != ok {
			t.Errorf("%s: %q", l, problem)
		}
	}
	got := linksOf("[a](b) ![c](d.svg) `[e](f)`\n```\n[g](h)\n```\n[i](j#k)")
	if want := []string{"b", "d.svg", "j#k"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
}

// TestIndex: docs/README.md lists every page of docs, and README.md leads to it.
func TestIndex(t *testing.T) {
	index := linksOf(read(t, "docs/README.md"))
	for _, page := range pages(t) {
		name, found := strings.CutPrefix(page, "docs/")
		if found && !strings.Contains(name, "/") && name != "README.md" && !slices.Contains(index, name) {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
	if !slices.Contains(linksOf(read(t, "README.md")), "docs/README.md") {
		t.Error("README.md does not lead to docs/README.md")
	}
}

// broken returns what is wrong with a relative link of a page, "" if nothing is.
func broken(page, l string) string {
	file, anchor, _ := strings.Cut(l, "#")
	to := page
	if file != "" {
		to = path.Join(path.Dir(page), file)
	}
	if strings.HasPrefix(to, "..") {
		return "leads out of the repository"
	}
	info, err := os.Stat(filepath.Join(root, filepath.FromSlash(to)))
	if err != nil {
		return "no such file"
	}
	if anchor == "" || info.IsDir() || !strings.HasSuffix(to, ".md") {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(to)))
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), anchor) {
		return "no such heading"
	}
	return ""
}

// linksOf returns where the links of a page lead. Code has none.
func linksOf(text string) (links []string) {
	text = inline.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		links = append(links, m[1])
	}
	return links
}

// anchors returns the names by which a page's headings are linked, as GitHub makes
// them: in lower case, without punctuation, with - for each space, and numbered if
// there are several.
func anchors(text string) (names []string) {
	count := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := target.ReplaceAllString(m[1], "$1")
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, title)
		if n := count[name]; n > 0 {
			names = append(names, name+"-"+string(rune('0'+n)))
		} else {
			names = append(names, name)
		}
		count[name]++
	}
	return names
}
