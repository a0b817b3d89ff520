package store_test

import (
	"testing"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) (store.Store, func() store.Store) {
		s := store.NewMemory()
		return s, func() store.Store { return s }
	})
}
