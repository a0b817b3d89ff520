package wire

import (
	"errors"
	"testing"
)

// spec R1
func TestDetectDialect(t *testing.T) {
	tests := []struct {
		name, hex string
		want      Dialect
	}{
		{"field 2 is bytes", "12016d", LIP},
		{"field 2 is a varint", "1001", Nim},
		{"field 2 is both", "12016d1001", Nim},
		{"field 2 is both, the other way round", "100112016d", Nim},
		{"field 2 counts more than 20", "1001a2010178", Nim},
		{"field 2 counts more than 5", "12016d2a0178", LIP},
		{"lamport only", "5001", LIP},
		{"history only", "5a00", LIP},
		{"bloom only", "6200", LIP},
		{"content only", "a2010178", LIP},
		{"nim channel only", "220163", Nim},
		{"nim content only", "2a0178", Nim},
		{"nim bloom only", "3200", Nim},
		{"nim sender only", "3a0161", Nim},
		{"lip counts more than nim", "2a01785001", LIP},
		{"field 2 is fixed32, nim channel", "1500000000220163", Nim},
		{"field 2 is fixed64, lip content", "110000000000000000a2010178", LIP},
		{"shared fields only", "0a01611a01636a00", LIP},
		{"unknown fields only", "980601f20f0178", LIP},
		{"field 0", "00002a0178", Nim},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DetectDialect(unhex(t, tt.hex))
			if got != tt.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestDetectDialectErrors(t *testing.T) {
	tests := []struct {
		name  string
		b     []byte
		class error
	}{
		{"nil", nil, ErrEmpty},
		{"empty", []byte{}, ErrEmpty},
		{"truncated", unhex(t, "12056d"), ErrTruncated},
		{"no value", unhex(t, "10"), ErrTruncated},
		{"group", unhex(t, "13"), ErrWireType},
		{"varint", unhex(t, "10ffffffffffffffffff02"), ErrVarint},
		{"length above 2^63", unhex(t, "12ffffffffffffffffff01"), ErrTruncated},
		{"too large", make([]byte, MaxMessage+1), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d, err := DetectDialect(tt.b); d != 0 || !errors.Is(err, tt.class) {
				t.Errorf("got %v, %v, want %v", d, err, tt.class)
			}
			wantError(t, tt.b, tt.class)
		})
	}
}

// TestLayouts: the numbers, once more, from the specifications.
func TestLayouts(t *testing.T) {
	// sender, message, channel, lamport, history, bloom, repair, content, extension
	want := map[*layout][9]int{
		lipLayout: {1, 2, 3, 10, 11, 12, 13, 20, 100},
		nimLayout: {7, 1, 4, 2, 3, 6, 13, 5, 100},
	}
	members := [9]member{
		senderID, messageID, channelID, lamport, causalHistory,
		bloomFilter, repairRequest, content, extension,
	}
	for l, numbers := range want {
		for i, m := range members {
			if int(l.byMember[m]) != numbers[i] || l.member(uint64(numbers[i])) != m {
				t.Errorf("%v: %s is field %d, want %d", l.dialect, memberInfo[m].name, l.byMember[m], numbers[i])
			}
		}
		for i := 1; i < len(l.order); i++ {
			if l.order[i-1].number >= l.order[i].number {
				t.Errorf("%v: field %d is written after %d", l.dialect, l.order[i].number, l.order[i-1].number)
			}
		}
	}
}

func TestDialectString(t *testing.T) {
	if got := LIP.String() + Nim.String() + Dialect(0).String(); got != "lipnimunknown" {
		t.Error(got)
	}
}
