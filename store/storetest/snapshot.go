package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// Snapshot returns everything that a Store tells about these channels, journals
// and values, for tests that compare a store before and after.
func Snapshot(ctx context.Context, s store.Store, channels []sds.ChannelID, journals, values []string) (map[string]any, error) {
	const all = 1 << 20
	r := map[string]any{}
	var errs []error
	put := func(key string, v any, err error) {
		r[key] = v
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	ids, err := s.Channels(ctx)
	put("channels", ids, err)
	forgotten, newest, err := s.Cursors(ctx)
	put("cursors", []store.Cursor{forgotten, newest}, err)
	events, err := s.Events(ctx, "", 0, all)
	put("events", events, err)
	for _, ch := range channels {
		loaded, err := s.Load(ctx, ch, all)
		put(fmt.Sprintf("load %q", ch), loaded, err)
		gaps, err := s.Gaps(ctx, ch, "", all)
		put(fmt.Sprintf("gaps %q", ch), gaps, err)
		log, err := s.Log(ctx, ch, store.LogQuery{Limit: all})
		put(fmt.Sprintf("log %q", ch), log, err)
		byPosition, err := s.Log(ctx, ch, store.LogQuery{Limit: all, ByPosition: true})
		put(fmt.Sprintf("log by position %q", ch), byPosition, err)
		d, err := s.Digest(ctx, ch)
		put(fmt.Sprintf("digest %q", ch), d, err)
		for id := range loaded.State.Messages {
			receipt, err := s.Receipt(ctx, ch, id)
			put(fmt.Sprintf("receipt %q %q", ch, id), receipt, err)
			m, err := s.Message(ctx, ch, id)
			put(fmt.Sprintf("message %q %q", ch, id), m, err)
		}
	}
	for _, j := range journals {
		entries, err := s.Journal(ctx, j, 0, all)
		put(fmt.Sprintf("journal %q", j), entries, err)
	}
	for _, k := range values {
		v, err := s.Value(ctx, k)
		put(fmt.Sprintf("value %q", k), v, err)
	}
	return r, errors.Join(errs...)
}

// Difference says where two snapshots differ, or "".
func Difference(got, want map[string]any) string {
	for k := range want {
		if d := difference(got[k], want[k]); d != "" {
			return k + d
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			return k + ": not expected"
		}
	}
	return ""
}
