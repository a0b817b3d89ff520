package peer

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

const (
	// jsFilterMax and jsFilterKeep: beyond so many ids the full-size filter is made
	// again from the newest, before it says yes to everything.
	jsFilterMax, jsFilterKeep = 12_000, 8_000
	// nimFilterIDs is how many received ids the nim filter covers; its size is that
	// for nimFilterRate.
	nimFilterIDs, nimFilterRate = 256, 1e-4
)

// addToFilter notes an id that was received, and in js one that was sent.
func (m *machine) addToFilter(id wire.MessageID) {
	m.received = append(m.received, id)
	switch m.cfg.Dialect {
	case sds.JS:
		if len(m.received) > jsFilterMax {
			m.received = slices.Clone(m.received[len(m.received)-jsFilterKeep:])
			m.filter = newFilter(bloom.JS, bloom.Default(), m.received)
			return
		}
		if m.filter == nil {
			m.filter = newFilter(bloom.JS, bloom.Default(), nil)
		}
		m.filter.Add(string(id))
	default:
		if len(m.received) > 2*nimFilterIDs {
			m.received = slices.Clone(m.received[len(m.received)-nimFilterIDs:])
		}
	}
}

// attachFilter adds the filter that the dialect calls for: js loses a message
// whose filter is not of the full size.
func (m *machine) attachFilter(w *wire.Message) {
	switch m.cfg.Dialect {
	case sds.JS:
		if m.filter == nil {
			m.filter = newFilter(bloom.JS, bloom.Default(), nil)
		}
		w.BloomFilter = m.filter.Append(nil)
	case sds.Nim:
		w.BloomFilter = []byte{}
		newest := m.received[max(0, len(m.received)-nimFilterIDs):]
		p, err := bloom.Size(nimFilterIDs, nimFilterRate)
		if err == nil && !namesAll(w, newest) {
			w.BloomFilter = newFilter(bloom.Nim, p, newest).Append(nil)
		}
	}
}

func namesAll(w *wire.Message, ids []wire.MessageID) bool {
	names := map[wire.MessageID]bool{}
	for i := range w.CausalHistory {
		names[w.CausalHistory[i].MessageID] = true
	}
	return !slices.ContainsFunc(ids, func(id wire.MessageID) bool { return !names[id] })
}

// newFilter makes a filter of parameters that are constants.
func newFilter(k bloom.Kind, p bloom.Params, ids []wire.MessageID) *bloom.Filter {
	f, err := bloom.New(k, p)
	if err != nil {
		panic("peer: " + err.Error()) // a constant is wrong
	}
	for _, id := range ids {
		f.Add(string(id))
	}
	return f
}

// parseFilter reads somebody's filter, of the kind that goes with the dialect of
// the message. nil: there is none, or none that can be read.
func parseFilter(w *wire.Message) *bloom.Filter {
	if len(w.BloomFilter) == 0 {
		return nil
	}
	var f *bloom.Filter
	var err error
	if w.Dialect == wire.Nim {
		f, err = bloom.ParseNim(w.BloomFilter)
	} else {
		f, err = bloom.ParseJS(w.BloomFilter, bloom.Default())
	}
	if err != nil {
		return nil
	}
	return f
}
