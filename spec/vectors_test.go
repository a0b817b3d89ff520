package spec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write vectors/*.json anew")

// object is a JSON object; its members are written in the order of their names.
type object = map[string]any

// vector is one case of a file of vectors.
type vector struct {
	Name         string   `json:"name"`
	Requirements []string `json:"requirements"`
	Source       string   `json:"source,omitempty"` // whose record decides
	In           object   `json:"in"`
	Out          object   `json:"out"`
}

// vectorFile is a file of vectors.
type vectorFile struct {
	Format      int      `json:"format"`
	Description string   `json:"description"`
	Cases       []vector `json:"cases"`
}

// generators make the files from the code.
var generators = map[string]struct {
	description string
	cases       func(*testing.T) []vector
}{
	"wire": {"Messages as fields and as bytes. Decoding hex must give the fields, and encoding these hex again, or what again says. " +
		"Bytes are hex; what is absent was absent.", wireCases},
	"ids":          {"Message ids and short ids. hashed is what SHA-256 is taken of, in hex.", idCases},
	"fingerprints": {"Leaves, their sums (32 bytes, little-endian) and fingerprints.", fingerprintCases},
	"filters":      {"The bloom filters of deployed peers. bits are the positions that an id sets; bytes of long filters are given by their SHA-256.", filterCases},
	"sketches":     {"Digests: two sets of one range, the coded symbols of theirs, and what the holder of ours decodes.", sketchCases},
	"timers":       {"Formulae of waits and sizes. Durations are nanoseconds, delays rounded to the microsecond; u is the number in [0, 1) that is drawn.", timerCases},
	"segments":     {"A payload and its segments in the format of LIP-243, data first, and which of them make it again.", segmentCases},
	"seal":         {"Messages sealed under a shared secret: the nonce is given here and random elsewhere.", sealCases},
}

// TestVectors makes the files again and compares. What the cases prove is cited in
// them, and each must be a requirement of this specification.
func TestVectors(t *testing.T) {
	requirements, err := Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(generators)) {
		t.Run(name, func(t *testing.T) {
			g := generators[name]
			f := vectorFile{Format, g.description, g.cases(t)}
			checkCases(t, requirements, f.Cases)
			made := encodeVectors(t, f)
			path := "vectors/" + name + ".json"
			if *update {
				if err := os.WriteFile(path, made, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made, kept) {
				t.Errorf("%s is not what the code makes: see go test ./spec -update", path)
			}
		})
	}
}

func checkCases(t *testing.T, requirements []Requirement, cases []vector) {
	t.Helper()
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.Name] || c.Name == "" || len(c.Requirements) == 0 || len(c.In) == 0 || len(c.Out) == 0 {
			t.Errorf("case %q: its name is taken, or a part is missing", c.Name)
		}
		names[c.Name] = true
		for _, r := range c.Requirements {
			n, err := strconv.Atoi(strings.TrimPrefix(r, "R"))
			if err != nil || !slices.ContainsFunc(requirements, func(q Requirement) bool { return q.Number == n }) {
				t.Errorf("case %q: there is no %s", c.Name, r)
			}
		}
	}
	if len(cases) == 0 {
		t.Error("no cases")
	}
}

// innermost is an object or a list of plain values: those get one line each.
var (
	innermost = regexp.MustCompile(`[{\[][^{}\[\]]*[}\]]`)
	lineBreak = regexp.MustCompile(`\n\t*`)
)

func encodeVectors(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return innermost.ReplaceAllFunc(b.Bytes(), func(s []byte) []byte {
		if len(s) > 100 && !bytes.HasPrefix(s, []byte("[")) {
			return s
		}
		s = lineBreak.ReplaceAll(bytes.ReplaceAll(s, []byte(",\n"), []byte(", \n")), nil)
		return s
	})
}

// TestVectorsAreEmbedded: what programs find in Vectors is what stands in the folder.
func TestVectorsAreEmbedded(t *testing.T) {
	files, err := fs.Glob(Vectors, "vectors/*.json")
	if err != nil || len(files) != len(generators) {
		t.Errorf("%d files, want %d: %v", len(files), len(generators), err)
	}
	for _, name := range files {
		b, err := fs.ReadFile(Vectors, name)
		var f vectorFile
		if err == nil {
			err = json.Unmarshal(b, &f)
		}
		if err != nil || f.Format != Format || len(f.Cases) == 0 {
			t.Errorf("%s: format %d, %d cases: %v", name, f.Format, len(f.Cases), err)
		}
	}
}

func need(numbers ...string) []string { return numbers }

func inHex[T ~string | ~[]byte](b T) string { return hex.EncodeToString([]byte(b)) }

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hex64 is a number of 64 bits, which JSON's numbers can't hold.
func hex64(n uint64) string {
	return hex.EncodeToString([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// record reads what a deployed implementation recorded.
func record(t *testing.T, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDialogues: what the dialogues prove are requirements of this specification.
func TestDialogues(t *testing.T) {
	requirements, err := Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(Vectors, "vectors/dialogues/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		var f struct {
			Format int
			Cases  []struct {
				Name         string
				Requirements []string
				Steps        []any
			}
		}
		record(t, name, &f)
		names := map[string]bool{}
		for _, c := range f.Cases {
			if names[c.Name] || len(c.Steps) == 0 || len(c.Requirements) == 0 {
				t.Errorf("%s: case %q: its name is taken, or a part is missing", name, c.Name)
			}
			names[c.Name] = true
			for _, r := range c.Requirements {
				if !slices.ContainsFunc(requirements, func(q Requirement) bool { return "R"+strconv.Itoa(q.Number) == r }) {
					t.Errorf("%s: case %q: there is no %s", name, c.Name, r)
				}
			}
		}
		if f.Format != Format || len(f.Cases) == 0 {
			t.Errorf("%s: format %d, %d cases", name, f.Format, len(f.Cases))
		}
	}
}
