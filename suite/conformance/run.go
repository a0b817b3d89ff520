package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Result says whether a case holds.
type Result struct {
	Name         string   `json:"name"`
	Requirements []string `json:"requirements"`
	Holds        bool     `json:"holds"`
	// Problem says what was expected in vain, or came and must not.
	Problem string `json:"problem,omitempty"`
}

// Run runs the cases one after the other, each with a participant that start makes.
// The error is of ctx, or says that no participant could be started: what
// participants do wrong is in the results.
func Run(ctx context.Context, start Start, f File) ([]Result, error) {
	results := make([]Result, 0, len(f.Cases))
	for i := range f.Cases {
		c := &f.Cases[i]
		r := Result{Name: c.Name, Requirements: c.Requirements, Holds: true}
		err := run(ctx, start, f.Dialect, c)
		if ctx.Err() != nil || errors.Is(err, ErrStart) {
			return results, errors.Join(ctx.Err(), err)
		}
		if err != nil {
			r.Holds, r.Problem = false, err.Error()
		}
		results = append(results, r)
	}
	return results, nil
}

// run has one dialogue. The error says in which step it went wrong.
func run(ctx context.Context, start Start, dialect string, c *Case) (err error) {
	args := append([]string{"--channel", "tea", "--sender", "alice", "--dialect", dialect, "--clock", "1700000000000"}, c.Flags...)
	p, err := open(ctx, start, args)
	if err != nil {
		return err
	}
	defer p.close()
	n := names{}
	for i := range c.Steps {
		if err := p.step(ctx, dialect, n, &c.Steps[i]); err != nil {
			return fmt.Errorf("%s: %w", c.Steps[i].Does, err)
		}
	}
	return nil
}

func (p *participant) step(ctx context.Context, dialect string, n names, s *Step) error {
	var answers []map[string]any
	for _, raw := range s.Commands {
		command, err := object(raw)
		if err != nil {
			return fmt.Errorf("the dialogue: %w", err)
		}
		n.fill(command)
		if err := n.build(dialect, command); err != nil {
			return err
		}
		events, err := p.say(ctx, encode(command))
		if err != nil {
			return err
		}
		answers = append(answers, events...)
	}
	rest := answers
	for _, raw := range s.Expect {
		want, err := object(raw)
		if err != nil {
			return fmt.Errorf("the dialogue: %w", err)
		}
		if rest, err = n.find(want, rest); err != nil {
			return err
		}
	}
	for _, raw := range s.Never {
		bad, err := object(raw)
		if err != nil {
			return fmt.Errorf("the dialogue: %w", err)
		}
		for _, got := range answers {
			if maps.Clone(n).match("", bad, show(bad, got, n)) == nil {
				return fmt.Errorf("%s must not come", short(got))
			}
		}
	}
	return nil
}

// find looks for an event among answers and returns those behind it. The error is
// about the one of the same kind that comes nearest, the last.
func (n names) find(want map[string]any, answers []map[string]any) ([]map[string]any, error) {
	problem := fmt.Errorf("%s did not come", short(want))
	for i, got := range answers {
		tried := maps.Clone(n)
		err := tried.match("", want, show(want, got, n))
		if err == nil {
			maps.Copy(n, tried)
			return answers[i+1:], nil
		}
		if got["event"] == want["event"] {
			problem = fmt.Errorf("%s: %w", want["event"], err)
		}
	}
	return nil, problem
}

// object reads a JSON object. Numbers stay as they are written.
func object(raw []byte) (map[string]any, error) {
	var o map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object: %w", short(string(raw)), err)
	}
	if o == nil {
		return nil, errors.New("null is not a JSON object")
	}
	return o, nil
}

func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return b.String()
}

func sortedKeys(o map[string]any) []string { return slices.Sorted(maps.Keys(o)) }
