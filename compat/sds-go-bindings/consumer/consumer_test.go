package consumer

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReplaceLines builds and runs a program of the shape of status-go
// (testdata/program) as a module of its own, with exactly the replace lines of
// docs/status-go.md, under both names of the bindings: from a checkout, and as
// published, from a proxy in a folder. The network is not used.
func TestReplaceLines(t *testing.T) {
	root := repository(t)
	docs, err := os.ReadFile(filepath.Join(root, "docs", "status-go.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- replace: ([a-z-]+), ([a-z ]+) -->\n```\n(.*?)```").FindAllSubmatch(docs, -1)
	if len(found) != 4 {
		t.Fatalf("the page has %d blocks of replace lines, want 4", len(found))
	}
	modules := t.TempDir() // downloaded once for all
	for _, block := range found {
		organisation, how, lines := string(block[1]), string(block[2]), string(block[3])
		t.Run(organisation+"/"+how, func(t *testing.T) {
			upstream := "github.com/" + organisation + "/sds-go-bindings"
			c := newConsumer(t, root, upstream, lines)
			if how == "published" {
				c.publish(root, modules, lines)
			}
			c.run("list", "-deps", "-test", upstream+"/sds") // what go mod tidy looks at
			if out := c.run("run", "."); !strings.HasPrefix(out, "OK: 42 messages") {
				t.Errorf("the program says %q", out)
			}
		})
	}
}

// repository returns the folder of go.work.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work in any folder above")
		}
		dir = parent
	}
}

// consumer is a module in a folder of its own, beside a checkout.
type consumer struct {
	t      *testing.T
	folder string
	env    []string
}

func newConsumer(t *testing.T, root, upstream, lines string) *consumer {
	t.Helper()
	work := t.TempDir()
	c := &consumer{t: t, folder: filepath.Join(work, "status-go"), env: []string{
		"GOWORK=off", "GOFLAGS=-mod=mod -modcacherw -buildvcs=false", "GOPROXY=" + downloads(t), "GOSUMDB=off", "CGO_ENABLED=0"}}
	if err := os.Mkdir(c.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(work, "causeway")); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("testdata/program/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal("no program", err)
	}
	for _, source := range sources {
		b, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		c.write(filepath.Base(source), bytes.ReplaceAll(b, []byte("UPSTREAM/"), []byte(upstream+"/")))
	}
	c.write("go.mod", fmt.Appendf(nil, "module github.com/status-im/status-go\n\ngo 1.24.0\n\nrequire (\n\t%s v0.3.1\n\tgo.uber.org/zap v1.28.0\n)\n\n%s", upstream, lines))
	return c
}

// downloads is a proxy of what is in the module cache.
func downloads(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(filepath.Join(strings.TrimSpace(string(out)), "cache", "download"))
}

func (c *consumer) write(name string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.folder, name), content, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *consumer) run(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = c.folder, append(os.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// publish puts the modules that the lines name, and the library, into a proxy in a
// folder. There is no checkout any more.
func (c *consumer) publish(root, modules, lines string) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(filepath.Dir(c.folder), "causeway")); err != nil {
		c.t.Fatal(err)
	}
	proxy := c.t.TempDir()
	const library = "github.com/causeway-im/causeway"
	publishModule(c.t, proxy, library, "v0.0.0", root)
	for _, m := range regexp.MustCompile("=> "+library+"/(\\S+) (v\\S+)").FindAllStringSubmatch(lines, -1) {
		publishModule(c.t, proxy, library+"/"+m[1], m[2], filepath.Join(root, filepath.FromSlash(m[1])))
	}
	c.env = append(c.env, "GOMODCACHE="+modules, "GOPROXY=file://"+filepath.ToSlash(proxy)+","+downloads(c.t))
}

// publishModule writes what a proxy serves of one version of a module.
func publishModule(t *testing.T, proxy, module, version, folder string) {
	t.Helper()
	dir := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == folder {
				return nil
			}
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" {
				return fs.SkipDir // another module, or not needed to build
			}
			return nil
		}
		if !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := w.Create(module + "@" + version + "/" + filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		_, err = f.Write(b)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".mod": mod, version + ".zip": archive.Bytes(),
		version + ".info": fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, version),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
