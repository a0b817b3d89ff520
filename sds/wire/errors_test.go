package wire

import (
	"errors"
	"strings"
	"testing"
)

var classes = []error{
	ErrTruncated, ErrWireType, ErrTooLarge, ErrMissingField, ErrNoKind, ErrVarint, ErrMalformed, ErrEmpty,
}

// wantClass checks what is true of every error: it is an *Error, of exactly one
// class, with a text that can be read.
func wantClass(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	n := 0
	for _, class := range classes {
		if errors.Is(err, class) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%v: of %d classes", err, n)
	}
	if text := err.Error(); !strings.HasPrefix(text, "wire: ") || strings.HasSuffix(text, ": ") {
		t.Errorf("text %q", text)
	}
	if (e.Limit != 0) != (e.Err == ErrTooLarge) {
		t.Errorf("%v: limit %d", err, e.Limit)
	}
}

// wantError checks that Decode refuses b with an error of the class.
func wantError(t *testing.T, b []byte, class error) {
	t.Helper()
	_, err := Decode(b)
	if !errors.Is(err, class) {
		t.Errorf("error %v, want %v", err, class)
		return
	}
	wantClass(t, err)
}

// TestErrorText: these lines end up in logs.
func TestErrorText(t *testing.T) {
	long := strings.Repeat("61", 600)
	tests := []struct {
		name, hex, text string
		class           error
	}{
		{"empty", "", "wire: message: empty", ErrEmpty},
		{"wire type", "12016d1a01635201015a00",
			"wire: lip field 10 (lamport_timestamp) at byte 6: wire type 2, want 0", ErrWireType},
		{"group", "12016d5001a306",
			"wire: lip field 100 (extension) at byte 5: wire type 3", ErrWireType},
		{"wire type 7", "12016d5001f704",
			"wire: lip field 78 at byte 5: wire type 7", ErrWireType},
		{"field 0", "12016d50010000",
			"wire: lip at byte 5: field number 0", ErrMalformed},
		{"truncated", "12016d5001a2010268",
			"wire: lip field 20 (content) at byte 5: truncated", ErrTruncated},
		{"truncated tag", "12016d500180",
			"wire: lip at byte 5: truncated", ErrTruncated},
		{"truncated fixed", "12016d50019d0601",
			"wire: lip field 99 at byte 5: truncated", ErrTruncated},
		{"varint", "12016d50ffffffffffffffffff7f",
			"wire: lip field 10 (lamport_timestamp) at byte 3: bad varint", ErrVarint},
		{"no kind", "12016d",
			"wire: lip: neither lamport_timestamp nor content", ErrNoKind},
		{"id", "12016d5001" + "0ad804" + long,
			"wire: lip field 1 (sender_id) at byte 5: 600 bytes, limit 512", ErrTooLarge},
		{"missing", "1007220263682a0109",
			"wire: nim field 1 (message_id): missing", ErrMissingField},
		{"entry", "0a026d311007220263682a01091a020a006a03120101",
			"wire: nim field 13 (repair_request[0].message_id) at byte 17: missing", ErrMissingField},
		{"second entry", "12016d50015a030a01615a060a0162120361",
			"wire: lip field 11 (causal_history[1].retrieval_hint) at byte 15: truncated", ErrTruncated},
		{"entry wire type", "12016d50015a021001",
			"wire: lip field 11 (causal_history[0].retrieval_hint) at byte 7: wire type 0, want 2", ErrWireType},
		{"entry tag", "12016d50015a0180",
			"wire: lip field 11 (causal_history[0]) at byte 7: truncated", ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			wantError(t, b, tt.class)
			if _, err := Decode(b); err != nil && err.Error() != tt.text {
				t.Errorf("text %q,\nwant %q", err, tt.text)
			}
		})
	}
}

func TestErrorAs(t *testing.T) {
	_, err := Decode(unhex(t, "12016d1a01635201015a00"))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Dialect != LIP || e.Field != 10 || e.Name != "lamport_timestamp" || e.Offset != 6 || e.Limit != 0 {
		t.Errorf("%+v", e)
	}
}
