package sketch_test

import (
	"fmt"

	"github.com/causeway-im/causeway/sds/sketch"
)

// Alice broadcasts what she has; Bob finds the message that he lacks.
func Example() {
	secret := []byte("of the channel")

	alice, err := sketch.Encode(secret, 1000, 2000, []string{"a", "b", "c", "d"}, 16)
	if err != nil {
		panic(err)
	}
	packet, err := alice.Append(nil)
	if err != nil {
		panic(err)
	}

	digest, err := sketch.Parse(packet)
	if err != nil {
		panic(err)
	}
	bob, err := sketch.New(secret, digest.From, digest.To, len(digest.Symbols))
	if err != nil {
		panic(err)
	}
	known := map[uint64]string{} // what onlyOurs means
	for _, id := range []string{"a", "b", "d", "e"} {
		known[bob.Add(id)] = id
	}
	onlyTheirs, onlyOurs, complete := bob.Decode(digest)

	key := sketch.NewKey(secret, digest.From, digest.To) // Alice's, to answer Bob
	fmt.Println(len(packet), "bytes")
	fmt.Println("Bob wants c:", len(onlyTheirs) == 1 && onlyTheirs[0] == key.ShortID("c"))
	fmt.Println("Alice lacks", known[onlyOurs[0]])
	fmt.Println("complete:", complete)
	// Output:
	// 213 bytes
	// Bob wants c: true
	// Alice lacks e
	// complete: true
}
