package seal_test

import (
	"crypto/ed25519"
	"fmt"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/seal"
)

// Members that share a secret, each with a key of its own: nobody else reads along,
// and a receipt counts a person only on that person's word.
func ExampleNewSigned() {
	aliceKey := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // from where the host keeps it
	directory := map[causeway.ParticipantID]ed25519.PublicKey{"alice-laptop": aliceKey.Public().(ed25519.PublicKey)}
	keys, err := seal.New(make([]byte, seal.SecretSize))
	if err != nil {
		panic(err)
	}
	alice, err := seal.NewSigned("alice-laptop", aliceKey, func(who causeway.ParticipantID) (ed25519.PublicKey, bool) {
		key, ok := directory[who]
		return key, ok
	}, keys)
	if err != nil {
		panic(err)
	}
	config := causeway.ChannelConfig{Channel: "tea", Participant: "alice-laptop", Sealer: alice}

	packet, err := config.Sealer.Seal(config.Channel, []byte("an SDS message"))
	if err != nil {
		panic(err)
	}
	opened, err := config.Sealer.Open(config.Channel, packet)
	fmt.Println(opened.Sender, opened.Authenticated, err)
	_, err = config.Sealer.Open("coffee", packet)
	fmt.Println(err)
	// Output:
	// alice-laptop true <nil>
	// seal: message was tampered with
}
