package segment

import "fmt"

// Join makes a payload of segments that the caller has kept, in any order, at least
// as many as it has data segments. The error wraps ErrInvalid, ErrCountMismatch,
// ErrMalformed or ErrHashMismatch, or says how many are missing.
func Join(segments []Segment, cfg Config) ([]byte, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		return nil, fmt.Errorf("%w: no segments", ErrInvalid)
	}
	s := &set{name: name{key: segments[0].Key}, format: cfg.Format, segments: map[place]held{},
		data: segments[0].DataCount, parity: segments[0].ParityCount}
	for i := range segments {
		x := &segments[i]
		if err := cfg.check(x); err != nil {
			return nil, err
		}
		if x.Key != s.key || !s.agrees(x, cfg.MaxSegments) {
			return nil, fmt.Errorf("%w: of another payload", ErrCountMismatch)
		}
		if _, ok := s.segments[place{x.Parity, x.Index}]; !ok {
			s.put(x)
		}
	}
	if !s.ready() {
		return nil, fmt.Errorf("%w: %d of %d segments", ErrInvalid, len(s.segments), s.data)
	}
	codes := codes{format: cfg.Format}
	payload, done, err := s.assemble(&codes)
	if err == nil && !done {
		err = fmt.Errorf("%w: data segments are missing", ErrMalformed)
	}
	return payload, err
}
