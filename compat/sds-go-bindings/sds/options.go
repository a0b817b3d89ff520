package sds

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// Options are what the bindings have no place for. The zero value is what
// NewReliabilityManager does.
type Options struct {
	// Store keeps the state, so that it survives a restart: store.OpenSQL over the
	// host's own database, or store.NewMemory in tests. It belongs to this manager
	// alone: a manager that has it open gets errors from the moment when another
	// one opens it. Without a Store a restart begins with nothing.
	//
	// While the Store fails, Wrap fails with ErrPersistence and Unwrap returns
	// content alone; a channel then goes on from what is durable.
	//
	// It grows with the log, like the host's own table of messages: by the bytes of
	// each message, without its filter, and some 300 bytes.
	Store store.Store
	// Participant names this installation to others. It must be unique in each
	// channel. By default it is made at random, and kept in the Store.
	Participant string
	// Seed is where all randomness comes from, for tests. By default it is random.
	// Managers must not share it, or their timers fire together.
	Seed uint64
	// Now is the clock, for tests. By default it is time.Now.
	Now func() time.Time
}

// participantKey is where a Store keeps the participant id.
const participantKey = "sds-go-bindings/participant"

// storeTimeout is how long one call of the Store may take: what the bindings
// wait for any request.
const storeTimeout = 30 * time.Second

func (o Options) withDefaults() (Options, error) {
	if len(o.Participant) > wire.MaxID {
		return o, fmt.Errorf("%w: Participant has %d bytes, limit %d", ErrInvalidArgument, len(o.Participant), wire.MaxID)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Seed == 0 {
		var b [8]byte
		rand.Read(b[:])
		o.Seed = binary.LittleEndian.Uint64(b[:])
	}
	return o, nil
}
