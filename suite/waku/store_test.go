package waku

import (
	"context"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway/suite/waku/storenode"
)

// A store that can't be opened ends the start with its error, also where what comes with
// the error is a nil pointer, as storenode.NewServer returns it.
func TestStoreFailsToOpen(t *testing.T) {
	broken := errors.New("no disk")
	_, err := New(t.Context(), Options{Store: func(context.Context, host.Host) (Store, error) {
		var none *storenode.Server
		return none, broken
	}})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}
