package conformance

import (
	"fmt"
	"strings"
)

// names are what "$m1" and "#m1" stand for.
type names map[string]string

func isName(s string) bool { return len(s) > 1 && (s[0] == '$' || s[0] == '#') }

// match tells whether got is what want describes, and if not where they differ. Names
// that are met for the first time are added to n.
func (n names) match(at string, want, got any) error {
	switch w := want.(type) {
	case nil:
		if got != nil {
			return fmt.Errorf("%s is %s, want nothing", at, short(got))
		}
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %s, want %s", at, short(got), short(want))
		}
		for _, member := range sortedKeys(w) {
			if err := n.match(join(at, member), w[member], g[member]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok && got != nil || len(g) != len(w) {
			return fmt.Errorf("%s is %s, want %s", at, short(got), short(want))
		}
		for i := range w {
			if err := n.match(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		return n.matchString(at, w, got)
	}
	if want != got {
		return fmt.Errorf("%s is %s, want %s", at, short(got), short(want))
	}
	return nil
}

func (n names) matchString(at, want string, got any) error {
	g, ok := got.(string)
	switch {
	case ok && g == want:
		return nil
	case !ok || !isName(want):
		return fmt.Errorf("%s is %s, want %s", at, short(got), short(want))
	case n[want] == "":
		n[want] = g
		return nil
	case n[want] != g:
		return fmt.Errorf("%s is %s, want %s, which is %s", at, short(got), want, short(n[want]))
	}
	return nil
}

// fill replaces names in a command by what they stand for.
func (n names) fill(v any) any {
	switch v := v.(type) {
	case string:
		if isName(v) && n[v] != "" {
			return n[v]
		}
	case map[string]any:
		for member := range v {
			v[member] = n.fill(v[member])
		}
	case []any:
		for i := range v {
			v[i] = n.fill(v[i])
		}
	}
	return v
}

func join(at, member string) string {
	if at == "" {
		return member
	}
	return at + "." + member
}

// short is a value on one line of bounded length.
func short(v any) string {
	s := strings.TrimSpace(encode(v))
	if r := []rune(s); len(r) > 160 {
		s = string(r[:160]) + "…"
	}
	return s
}
