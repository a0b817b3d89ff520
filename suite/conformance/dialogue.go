package conformance

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/spec"
)

// File is a file of dialogues.
type File struct {
	Format      int    `json:"format"`
	Description string `json:"description"`
	Dialect     string `json:"dialect"` // lip, js or nim
	Cases       []Case `json:"cases"`
}

// Case is a dialogue with one participant, and the requirements that it proves.
type Case struct {
	Name         string   `json:"name"`
	Requirements []string `json:"requirements"`
	Flags        []string `json:"flags,omitempty"` // of the participant
	Steps        []Step   `json:"steps"`
}

// Step is some commands and what they must and must not bring.
type Step struct {
	Does     string            `json:"does"` // in words
	Commands []json.RawMessage `json:"commands"`
	Expect   []json.RawMessage `json:"expect,omitempty"`
	Never    []json.RawMessage `json:"never,omitempty"`
}

// Load reads the dialogues of a dialect: lip, js or nim.
func Load(dialect string) (File, error) { return load(spec.Vectors, dialect) }

func load(folder fs.FS, dialect string) (File, error) {
	var f File
	b, err := fs.ReadFile(folder, path.Join("vectors/dialogues", dialect+".json"))
	if err != nil {
		return f, fmt.Errorf("conformance: dialect %q: %w", dialect, err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("conformance: %s.json: %w", dialect, err)
	}
	if f.Format != spec.Format || f.Dialect != dialect {
		return f, fmt.Errorf("conformance: %s.json: format %d of dialect %q, want %d of %q", dialect, f.Format, f.Dialect, spec.Format, dialect)
	}
	return f, nil
}

// Only keeps the cases whose name contains text, or that prove the requirement of this
// name.
func (f *File) Only(text string) {
	f.Cases = slices.DeleteFunc(f.Cases, func(c Case) bool {
		return !strings.Contains(c.Name, text) && !slices.Contains(c.Requirements, text)
	})
}
