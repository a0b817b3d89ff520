package segment_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/causeway-im/causeway/segment"
)

// A payload is cut into two data segments and one of parity. The first is lost, and
// parity makes up for it.
func Example() {
	cfg := segment.Config{ParityRate: 0.125}
	payload := []byte(strings.Repeat("who wants tea? ", 10_000))
	parts, err := segment.Split(payload, cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(payload), "bytes make", len(parts), "segments")

	r, err := segment.NewReassembler(cfg, segment.Limits{})
	if err != nil {
		log.Fatal(err)
	}
	for _, part := range parts[1:] {
		s, err := segment.Decode(part, cfg)
		if err != nil {
			log.Fatal(err) // or it is something else: see ErrNotSegment
		}
		result, err := r.Add(time.Now(), "alice", s)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("held", result.Held, "of", result.Expected, "complete:", result.Complete)
		if result.Complete {
			fmt.Printf("%.14s\n", result.Payload)
		}
	}
	// Output:
	// 150000 bytes make 3 segments
	// held 1 of 2 complete: false
	// held 2 of 2 complete: true
	// who wants tea?
}
