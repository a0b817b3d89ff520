package estimate

import (
	"cmp"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// span is from ≤ t < to, in milliseconds.
type span = report.Span

// forever is later than all times.
const forever = int64(1) << 60

// spans are in order and apart.
type spans []span

// union puts spans together that meet or overlap.
func union(list []span) spans {
	slices.SortFunc(list, func(a, b span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	var merged spans
	for _, s := range list {
		if s.To <= s.From {
			continue
		}
		if n := len(merged); n > 0 && s.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// both returns where two lists have time in common.
func (s spans) both(o spans) spans {
	var out spans
	for i, j := 0, 0; i < len(s) && j < len(o); {
		if from, to := max(s[i].From, o[j].From), min(s[i].To, o[j].To); from < to {
			out = append(out, span{From: from, To: to})
		}
		if s[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}

// without returns s where o has no time.
func (s spans) without(o spans) spans {
	rest := make(spans, 0, len(o)+1)
	from := -forever
	for _, x := range o {
		rest = append(rest, span{From: from, To: x.From})
		from = x.To
	}
	rest = append(rest, span{From: from, To: forever})
	return s.both(slices.DeleteFunc(rest, func(x span) bool { return x.To <= x.From }))
}

// find returns the index of the first span that ends after t.
func (s spans) find(t int64) int {
	i, _ := slices.BinarySearchFunc(s, t, func(x span, t int64) int {
		if x.To <= t {
			return -1
		}
		return 1
	})
	return i
}

// has tells whether t is in one of the spans.
func (s spans) has(t int64) bool {
	i := s.find(t)
	return i < len(s) && s[i].From <= t
}

// meets tells whether any moment from from to before to is in a span.
func (s spans) meets(from, to int64) bool {
	i := s.find(from)
	return i < len(s) && s[i].From < to
}

// length is how much time there is in the spans.
func (s spans) length() int64 {
	n := int64(0)
	for _, x := range s {
		n += x.To - x.From
	}
	return n
}

// reach returns the first moment from t on that is in no span.
func (s spans) reach(t int64) int64 {
	if i := s.find(t); i < len(s) && s[i].From <= t {
		return s[i].To
	}
	return t
}

// walker looks up moments that come in order of time, each at O(1) amortised.
type walker struct {
	spans spans
	next  int
}

// reach is that of spans. t must not go back.
func (w *walker) reach(t int64) int64 {
	for w.next < len(w.spans) && w.spans[w.next].To <= t {
		w.next++
	}
	if w.next < len(w.spans) && w.spans[w.next].From <= t {
		return w.spans[w.next].To
	}
	return t
}

// numbers is a set of event numbers, as ranges in order and apart.
type numbers []report.Range

// add puts the numbers from first to last into the set.
func (n *numbers) add(first, last uint64) {
	if last < first {
		return
	}
	list := *n
	i, _ := slices.BinarySearchFunc(list, first, func(r report.Range, first uint64) int {
		if r.Last < first && first-r.Last > 1 { // not even adjacent
			return -1
		}
		return 1
	})
	j := i
	for j < len(list) && (last == ^uint64(0) || list[j].First <= last+1) {
		first, last = min(first, list[j].First), max(last, list[j].Last)
		j++
	}
	*n = slices.Replace(list, i, j, report.Range{First: first, Last: last})
}

func (n numbers) has(v uint64) bool {
	i, _ := slices.BinarySearchFunc(n, v, func(r report.Range, v uint64) int {
		if r.Last < v {
			return -1
		}
		return 1
	})
	return i < len(n) && n[i].First <= v
}

// count is how many numbers are in the set.
func (n numbers) count() (c uint64) {
	for _, r := range n {
		c += r.Last - r.First + 1
	}
	return c
}
