package wire

import "testing"

// spec R6
func TestKind(t *testing.T) {
	some := []byte{1}
	tests := []struct {
		m    Message
		want string
	}{
		{Message{Dialect: LIP}, "unknown"},
		{Message{Dialect: LIP, Content: []byte{}}, "unknown"},
		{Message{Dialect: LIP, Content: some}, "ephemeral"},
		{Message{Dialect: LIP, HasLamport: true}, "sync"},
		{Message{Dialect: LIP, HasLamport: true, Content: []byte{}}, "sync"},
		{Message{Dialect: LIP, HasLamport: true, Content: some}, "content"},
		{Message{Dialect: Nim}, "sync"},
		{Message{Dialect: Nim, Content: some}, "content"},
		{Message{Dialect: Nim, HasLamport: true}, "sync"},
		{Message{Dialect: Nim, HasLamport: true, Content: some}, "content"},
	}
	for _, tt := range tests {
		if got := tt.m.Kind().String(); got != tt.want {
			t.Errorf("%v, lamport %v, content %v: %s, want %s",
				tt.m.Dialect, tt.m.HasLamport, tt.m.Content, got, tt.want)
		}
	}
}
