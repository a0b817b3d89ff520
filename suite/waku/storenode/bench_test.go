package storenode

import (
	"context"
	"testing"

	"github.com/causeway-im/causeway/transport"
)

// filled returns a client of a store with 10,000 messages of 1 KiB, and hints of
// the last 100.
func filled(b *testing.B) (*Client, [][]byte) {
	s, info := newServer(b, ServerOptions{})
	messages := texts(10_000)
	for _, m := range messages {
		m.Payload = append(m.Payload, make([]byte, 1024-len(m.Payload))...)
	}
	keep(b, s, messages...)
	return newClient(b, Options{}, info), hintsOf(messages[len(messages)-100:]...)
}

// BenchmarkQuery is a page of 100 messages of 1 KiB over TCP on loopback.
func BenchmarkQuery(b *testing.B) {
	c, _ := filled(b)
	q := all(transport.MaxPage)
	for b.Loop() {
		page, err := c.Query(context.Background(), q)
		if err != nil || len(page.Messages) != transport.MaxPage {
			b.Fatal(len(page.Messages), err)
		}
	}
}

// BenchmarkRetrieve is 100 messages of 1 KiB by hash, in two requests.
func BenchmarkRetrieve(b *testing.B) {
	c, hints := filled(b)
	for b.Loop() {
		if got, err := c.Retrieve(context.Background(), topic, hints); err != nil || len(got) != len(hints) {
			b.Fatal(len(got), err)
		}
	}
}

// BenchmarkStored asks for the presence of one message.
func BenchmarkStored(b *testing.B) {
	c, hints := filled(b)
	for b.Loop() {
		if has, err := c.Stored(context.Background(), topic, hints[:1]); err != nil || !has[0] {
			b.Fatal(has, err)
		}
	}
}

// BenchmarkKeep is a message of 1 KiB from Keep to the disk.
func BenchmarkKeep(b *testing.B) {
	s, _ := newServer(b, ServerOptions{})
	m := text(0, string(make([]byte, 1024)))
	for n := 0; b.Loop(); n++ {
		m.Timestamp++
		s.Keep(shard, m)
		if n%10_000 == 9_999 {
			s.Flush(context.Background())
		}
	}
	s.Flush(context.Background())
	if st := s.Stats(); st.Overflown > 0 {
		b.Fatalf("%+v", st)
	}
}
