package reliability

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/waku-org/sds-go-bindings/sds"
)

const (
	// fetchTimeout is how long one query may take.
	fetchTimeout = 30 * time.Second
	// fetchBatch is how many envelopes one query asks for, maxFetching how many are being
	// fetched, and maxLater how many are kept for the next Start. Of more, the oldest are
	// left to members, who repair.
	fetchBatch  = 50
	maxFetching = 1024
	maxLater    = 4096
)

// fetches are the envelopes that stores are asked for.
type fetches struct {
	mu      sync.Mutex
	running map[community.EnvelopeHash]bool
	later   []community.EnvelopeHash // could not be fetched
}

// begin returns those that nobody is fetching, and marks them.
func (f *fetches) begin(hashes []community.EnvelopeHash) (mine []community.EnvelopeHash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running == nil {
		f.running = map[community.EnvelopeHash]bool{}
	}
	for _, h := range hashes {
		switch {
		case f.running[h]:
		case len(f.running) >= maxFetching:
			f.postpone(h)
		default:
			f.running[h] = true
			mine = append(mine, h)
		}
	}
	return mine
}

// end unmarks those that were begun; failed ones are tried again at the next Start.
func (f *fetches) end(hashes []community.EnvelopeHash, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range hashes {
		delete(f.running, h)
		if failed {
			f.postpone(h)
		}
	}
}

func (f *fetches) postpone(h community.EnvelopeHash) {
	if slices.Contains(f.later, h) {
		return
	}
	if len(f.later) == maxLater {
		f.later = f.later[1:]
	}
	f.later = append(f.later, h)
}

// takeLater returns what could not be fetched, once.
func (f *fetches) takeLater() []community.EnvelopeHash {
	f.mu.Lock()
	defer f.mu.Unlock()
	hashes := f.later
	f.later = nil
	return hashes
}

// dependenciesMissing fetches what a message depends on, by the hints of its sender. A
// dependency is reported again only when a later message names it, so a fetch that
// fails is tried again here.
func (r *Reliability) dependenciesMissing(_ sds.MessageID, missing []sds.HistoryEntry, channel string) {
	var hashes []community.EnvelopeHash
	for _, d := range missing {
		id := causeway.MessageID(d.MessageID)
		if r.missed.add(channel, id) && r.o.Telemetry != nil {
			r.o.Telemetry.Missing(telemetry.Message{Channel: channel, ID: string(id)}, "")
		}
		if named, err := community.DecodeHint(d.RetrievalHint); err == nil {
			hashes = append(hashes, named...)
		}
	}
	r.fetchAll(hashes)
}

// fetchAll fetches envelopes in the background.
func (r *Reliability) fetchAll(hashes []community.EnvelopeHash) {
	if r.o.Fetcher == nil {
		return
	}
	for batch := range slices.Chunk(r.fetch.begin(hashes), fetchBatch) {
		if !r.background(func(ctx context.Context) { r.fetch.end(batch, !r.fetchOne(ctx, batch)) }) {
			r.fetch.end(batch, true)
		}
	}
}

// retryFetches tries again what could not be fetched.
func (r *Reliability) retryFetches() { r.fetchAll(r.fetch.takeLater()) }

// fetchOne asks for envelopes, a few times if need be, and leaves out what was
// processed meanwhile.
func (r *Reliability) fetchOne(ctx context.Context, hashes []community.EnvelopeHash) (done bool) {
	for try := 0; ; try++ {
		hashes = slices.DeleteFunc(slices.Clone(hashes), r.processed)
		if len(hashes) == 0 {
			return true
		}
		err := r.query(ctx, hashes)
		if err == nil {
			return true
		}
		if try == len(r.o.Delays) || ctx.Err() != nil {
			r.warn("fetching missing messages", err)
			return false
		}
		r.o.Logger.Debug("fetching missing messages, to be tried again", zap.Duration("after", r.o.Delays[try]), zap.Error(err))
		pause := time.NewTimer(r.o.Delays[try])
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return false
		}
	}
}

func (r *Reliability) query(ctx context.Context, hashes []community.EnvelopeHash) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return r.o.Fetcher.FetchMessagesByHashes(ctx, hashes)
}

func (r *Reliability) processed(h community.EnvelopeHash) bool {
	if r.o.Processed == nil {
		return false
	}
	done, err := r.o.Processed.IsProcessed(h)
	r.warn("looking for a processed envelope", err)
	return err == nil && done
}
