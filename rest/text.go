package rest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// prefix begins an id that is written in base64.
const prefix = "base64:"

// Text is an id or another string of the network, as JSON and paths have it: JSON
// can't hold what is not UTF-8.
type Text string

// String returns the text as it is written.
func (t Text) String() string {
	if utf8.ValidString(string(t)) && !strings.HasPrefix(string(t), prefix) {
		return string(t)
	}
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(t))
}

// ParseText is the reverse of String.
func ParseText(s string) (Text, error) {
	code, ok := strings.CutPrefix(s, prefix)
	if !ok {
		if !utf8.ValidString(s) {
			return "", fmt.Errorf("is not UTF-8; write %s and its bytes", prefix)
		}
		return Text(s), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(code, "="))
	if err != nil {
		return "", fmt.Errorf("begins with %s, and what follows is not base64 of the URL alphabet", prefix)
	}
	return Text(b), nil
}

// MarshalText implements encoding.TextMarshaler, also for keys of objects.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(b []byte) error {
	parsed, err := ParseText(string(b))
	if err != nil {
		return fmt.Errorf("a text %w", err)
	}
	*t = parsed
	return nil
}

// blob is bytes as JSON has them: base64. Unlike that of a slice its error names the
// field.
type blob []byte

func (b *blob) UnmarshalJSON(raw []byte) error {
	var bytes []byte
	if err := json.Unmarshal(raw, &bytes); err != nil {
		return notA(*b)
	}
	*b = bytes
	return nil
}

// texts converts strings to be written; never nil, so that JSON has a list.
func texts[S ~string](list []S) []Text {
	out := make([]Text, len(list))
	for i, s := range list {
		out[i] = Text(s)
	}
	return out
}

func strs[S ~string](list []Text) []S {
	var out []S
	for _, s := range list {
		out = append(out, S(s))
	}
	return out
}

// nanos is a time as JSON has it: nanoseconds since 1970, 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// span is a duration as JSON has it: "1m30s".
type span time.Duration

func (d span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *span) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return notA(*d)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return notA(*d)
	}
	*d = span(parsed)
	return nil
}
