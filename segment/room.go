package segment

// makeRoom drops sets until a segment of so many bytes fits, and a set for it if
// there is none. ok is false if its sender has the most already: then its own set
// goes, so that two large payloads which don't fit together do not keep each other
// incomplete.
func (r *Reassembler) makeRoom(id name, bytes int) (dropped []Dropped, ok bool) {
	target, sets := r.sets[id], 0
	if target == nil {
		sets = 1
		bytes += setOverhead + len(id.sender)
	}
	evict := func(s *set) bool {
		if s == nil {
			s = target
		}
		if s != nil {
			r.remove(s)
			dropped = append(dropped, Dropped{s.info(), ErrEvicted})
		}
		return s != nil && s != target
	}
	for r.senders[id.sender].bytes+bytes > r.limits.MaxSenderBytes {
		if !evict(r.oldest(target, func(s *set) bool { return s.sender == id.sender })) {
			return dropped, false
		}
	}
	for r.bytes+bytes > r.limits.MaxBytes {
		if !evict(r.victim(id, target, func(u usage) int { return u.bytes }, bytes)) {
			return dropped, false
		}
	}
	for len(r.sets)+sets > r.limits.MaxSets {
		if !evict(r.victim(id, target, func(u usage) int { return u.sets }, sets)) {
			return dropped, false
		}
	}
	return dropped, true
}

// victim returns the least recently updated set of the sender that has the most,
// more being what the sender of id asks for. It is nil if that sender is the one
// with the most and has no set but the target. Who has nothing yet never is.
func (r *Reassembler) victim(id name, target *set, weigh func(usage) int, more int) *set {
	most := 0
	if own, ok := r.senders[id.sender]; ok {
		most = weigh(own) + more
	}
	others := false // somebody else has as much
	for sender, u := range r.senders {
		if w := weigh(u); sender != id.sender && w >= most {
			most, others = w, true
		}
	}
	return r.oldest(target, func(s *set) bool {
		if s.sender == id.sender {
			return !others
		}
		return weigh(r.senders[s.sender]) == most
	})
}

// oldest returns the least recently updated set that may go, the target excepted.
func (r *Reassembler) oldest(target *set, may func(*set) bool) *set {
	for e := r.order.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*set); s != target && may(s) {
			return s
		}
	}
	return nil
}
