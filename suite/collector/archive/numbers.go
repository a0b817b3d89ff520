package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Numbers is a set of event numbers, as ranges in order and apart. The zero value is
// empty.
type Numbers []report.Range

// Add puts the numbers from first to last into the set.
func (n *Numbers) Add(first, last uint64) {
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

// Union adds all of another set.
func (n *Numbers) Union(o Numbers) {
	for _, r := range o {
		n.Add(r.First, r.Last)
	}
}

// Has tells whether a number is in the set.
func (n Numbers) Has(v uint64) bool {
	i := n.from(v)
	return i < len(n) && n[i].First <= v
}

// from returns the index of the first range that does not end before v.
func (n Numbers) from(v uint64) int {
	i, _ := slices.BinarySearchFunc(n, v, func(r report.Range, v uint64) int {
		if r.Last < v {
			return -1
		}
		return 1
	})
	return i
}

// Reach returns the greatest number up to which all from v on are in the set, v−1 if
// v is not.
func (n Numbers) Reach(v uint64) uint64 {
	if i := n.from(v); i < len(n) && n[i].First <= v {
		return n[i].Last
	}
	return v - 1
}

// Count is how many numbers are in the set.
func (n Numbers) Count() (c uint64) {
	for _, r := range n {
		c += r.Last - r.First + 1
	}
	return c
}

// String writes the set as "1-5 7".
func (n Numbers) String() string {
	var b []byte
	for i, r := range n {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, r.First, 10)
		if r.Last > r.First {
			b = append(b, '-')
			b = strconv.AppendUint(b, r.Last, 10)
		}
	}
	return string(b)
}

// ParseNumbers reads what String writes.
func ParseNumbers(s string) (Numbers, error) {
	var n Numbers
	for f := range strings.FieldsSeq(s) {
		from, to, isRange := strings.Cut(f, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 64)
		last, err2 := strconv.ParseUint(to, 10, 64)
		if err != nil || err2 != nil || last < first {
			return nil, fmt.Errorf("archive: %q is no range of numbers", f)
		}
		n.Add(first, last)
	}
	return n, nil
}
