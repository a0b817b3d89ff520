package simulate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/sim/trace"
)

// file is a scenario as it is written: the fields of crowd.Scenario under their
// yaml names, and the name of a trace.
type file struct {
	crowd.Scenario `yaml:",inline"`
	Trace          string `yaml:"trace"`
}

// ReadScenario reads a scenario in YAML, of which JSON is a part. Unknown keys are
// errors, and so are times without a unit. A trace is looked for from the folder of
// the file. Errors begin with name and the number of the line.
func ReadScenario(name string) (crowd.Scenario, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return crowd.Scenario{}, err
	}
	f, err := parse(text)
	if err != nil {
		return crowd.Scenario{}, fmt.Errorf("%s:%w", name, err)
	}
	if f.Trace != "" {
		if !filepath.IsAbs(f.Trace) {
			f.Trace = filepath.Join(filepath.Dir(name), f.Trace)
		}
		if f.Load.Trace, err = ReadTrace(f.Trace); err != nil {
			return crowd.Scenario{}, fmt.Errorf("%s: trace: %w", name, err)
		}
	}
	return f.Scenario, nil
}

// ReadTrace reads a recorded conversation.
func ReadTrace(name string) (*trace.Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trace.Read(f, name)
}

func parse(text []byte) (*file, error) {
	var document yaml.Node
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := d.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("1: the file is empty")
		}
		return nil, explain(err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("1: the file has more than one document")
	}
	if err := checkTimes(document.Content[0], reflect.TypeFor[file]()); err != nil {
		return nil, err
	}
	var f file
	strict := yaml.NewDecoder(strings.NewReader(string(text)))
	strict.KnownFields(true)
	if err := strict.Decode(&f); err != nil {
		return nil, explain(err)
	}
	return &f, nil
}

var (
	lineOf     = regexp.MustCompile(`line (\d+): (.*)`)
	unknownKey = regexp.MustCompile(`^field (\S+) not found in type .*$`)
	wrongType  = regexp.MustCompile("^cannot unmarshal !!(\\S+)(?: `(.*)`)? into .*$")
)

// explain says in the words of this format what the YAML decoder found wrong
// first, after the number of the line.
func explain(err error) error {
	m := lineOf.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("1: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	what := m[2]
	if k := unknownKey.FindStringSubmatch(what); k != nil {
		what = "unknown key " + k[1]
	} else if k := wrongType.FindStringSubmatch(what); k != nil {
		kinds := map[string]string{"str": "text", "int": "a number", "float": "a number", "bool": "true or false",
			"seq": "a list", "map": "a table", "null": "nothing"}
		what = kinds[k[1]] + " does not fit here"
		if k[2] != "" {
			what = fmt.Sprintf("%q does not fit here", k[2])
		}
	}
	return fmt.Errorf("%s: %s", m[1], what)
}

// checkTimes refuses times without a unit, which would be taken for nanoseconds.
func checkTimes(n *yaml.Node, t reflect.Type) error {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if n.Tag == "!!int" || n.Tag == "!!float" {
			return fmt.Errorf("%d: %s has no unit: write %ss for seconds", n.Line, n.Value, n.Value)
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, element := range n.Content {
			if err := checkTimes(element, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		types := fieldTypes(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if field, ok := types[n.Content[i].Value]; ok {
				if err := checkTimes(n.Content[i+1], field); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fieldTypes lists the keys of a struct.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for key, field := range fieldTypes(t.Field(i).Type) {
				types[key] = field
			}
		case name != "-" && name != "":
			types[name] = t.Field(i).Type
		}
	}
	return types
}

// Keys lists the keys that a scenario may have, at any depth.
func Keys() []string { return keysOf(reflect.TypeFor[file]()) }

func keysOf(t reflect.Type) []string {
	switch {
	case t.Kind() == reflect.Slice:
		return keysOf(t.Elem())
	case t.Kind() != reflect.Struct:
		return nil
	}
	var keys []string
	for key, field := range fieldTypes(t) {
		keys = append(keys, append(keysOf(field), key)...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
