package store

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/causeway-im/causeway/store/storetest"
)

// TestVersion1: a file that was made with the first tables opens, has what was
// written then, and goes on. testdata/version1.db was made by three turns, and is
// never made again.
func TestVersion1(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.db")
	copyFile(t, filepath.Join("testdata", "version1.db"), path)
	old := openStore(t, openFast(t, path))

	now := openStore(t, openFast(t, filepath.Join(t.TempDir(), "new.db")))
	epoch, err := now.Epoch(ctx)
	check(t, err)
	for i := range 3 {
		check(t, now.Commit(ctx, turn(epoch, i)))
	}
	if d := storetest.Difference(snapshot(t, old), snapshot(t, now)); d != "" {
		t.Errorf("it has something else than what was written: %s", d)
	}
	newer, err := old.Epoch(ctx)
	check(t, err)
	if newer <= epoch {
		t.Errorf("epoch %d after %d", newer, epoch)
	}
	check(t, old.Commit(ctx, turn(newer, 3)))
	check(t, now.Commit(ctx, turn(epoch, 3)))
	if d := storetest.Difference(snapshot(t, old), snapshot(t, now)); d != "" {
		t.Errorf("it went on differently: %s", d)
	}
}
