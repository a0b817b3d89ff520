package bloom

// Rolling is the filter that a nim-sds peer keeps for a channel: a Nim filter
// that forgets its oldest ids. It rolls exactly as nim-sds rolls, so that its
// bytes after any sequence of ids are the same.
//
// It holds between 80 % and 120 % of its capacity C. The filter is first sized
// for C; when the number of ids exceeds ⌊1.2·C⌋ it is rebuilt, sized for ⌊1.2·C⌋
// from then on, with the newest ⌊0.8·C⌋ ids. An id that is added twice counts
// twice. With the defaults the first roll is at id 12,001, and the next ones
// every 4,001 ids.
//
// JS filters never roll: for them use a Filter.
//
// A Rolling is not safe for concurrent use.
type Rolling struct {
	filter   *Filter
	ids      []string // in the order of adding, repetitions included
	min, max int
	rate     float64
}

// NewRolling returns an empty rolling filter. As in nim-sds, a capacity below 1
// means 10,000, and a rate outside (0, 1) means 0.001. It fails with ErrTooLarge
// or ErrHashes if the filter would break the limits, now or after it has rolled.
func NewRolling(capacity int, rate float64) (*Rolling, error) {
	if capacity < 1 {
		capacity = 10_000
	}
	if !(rate > 0 && rate < 1) {
		rate = 0.001
	}
	p, err := Size(capacity, rate)
	if err != nil {
		return nil, err
	}
	r := &Rolling{min: capacity * 80 / 100, max: capacity * 120 / 100, rate: rate}
	if _, err := Size(r.max, rate); err != nil {
		return nil, err
	}
	r.filter, err = New(Nim, p)
	return r, err
}

// Add puts an id into the filter, which may roll it over. It is amortised O(1):
// a roll hashes ⌊0.8·C⌋ ids again.
func (r *Rolling) Add(id string) {
	r.filter.Add(id)
	r.ids = append(r.ids, id)
	if len(r.ids) > r.max {
		r.roll()
	}
}

func (r *Rolling) roll() {
	n := copy(r.ids, r.ids[len(r.ids)-r.min:])
	clear(r.ids[n:])
	r.ids = r.ids[:n]
	p, err := Size(r.max, r.rate)
	if err == nil {
		r.filter, err = New(Nim, p)
	}
	if err != nil {
		panic("bloom: sized in NewRolling, not any more: " + err.Error())
	}
	for _, id := range r.ids {
		r.filter.Add(id)
	}
}

// Contains reports whether an id is possibly among those that are held. False is
// certain.
func (r *Rolling) Contains(id string) bool { return r.filter.Contains(id) }

// ContainsKey is Contains for an id that is hashed already.
func (r *Rolling) ContainsKey(key Key) bool { return r.filter.ContainsKey(key) }

// Len returns the number of ids that are held, repetitions included.
func (r *Rolling) Len() int { return len(r.ids) }

// Params returns the present parameters. They change once, at the first roll.
func (r *Rolling) Params() Params { return r.filter.Params() }

// Append appends the present filter to dst in the Nim container.
func (r *Rolling) Append(dst []byte) []byte { return r.filter.Append(dst) }
