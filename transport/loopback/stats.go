package loopback

// Stats counts what a network, or an endpoint of one name, has done. Copies are
// counted at their receiver, envelopes and queries at the endpoint that makes
// them. Each copy is in exactly one place:
//
//	Handed + Duplicated = Blackholed + Offline + Partitioned + Filtered + Lost + Unheard + Delivered + InFlight
type Stats struct {
	// Published is how many calls of Publish succeeded, PublishedBytes the sum of
	// their payloads.
	Published, PublishedBytes int

	// Handed is how many copies were addressed to receivers: one for each endpoint
	// that subscribed to the topic, its publisher excepted.
	Handed int
	// Duplicated is how many further copies chance made.
	Duplicated int
	// InFlight is how many copies have not arrived yet.
	InFlight int

	// The copies that were dropped, by cause. At most one cause counts, the first
	// of those that apply.
	Blackholed  int // the publisher or the receiver was black-holed
	Offline     int // the receiver was offline, or closed when the copy arrived
	Partitioned int // a partition was between the two
	Filtered    int // the filter said so
	Lost        int // by chance
	Unheard     int // the receiver had cancelled its subscription when the copy arrived

	// Delivered is how many copies arrived at a subscription, or at several of the
	// same endpoint. DeliveredBytes is the sum of their payloads.
	Delivered, DeliveredBytes int
	// Discarded is how many calls of receive were outstanding when their
	// subscription was cancelled, and did not come: of copies that were Delivered.
	Discarded int

	// Stored is how many envelopes the store took, Unstored how many it did not
	// though they were not ephemeral. Forgotten is how many of those that it took it
	// has no longer.
	Stored, Unstored, Forgotten int

	// Queries is how many calls of Query, Retrieve and Stored had arguments in
	// their ranges, QueriesFailed how many of them returned an error.
	Queries, QueriesFailed int
}

// Stats returns the sum over all endpoints, closed ones included.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum Stats
	for _, m := range n.members {
		sum.add(m.stats)
	}
	return sum
}

// Stats returns what is counted for the endpoint's name since it attached for
// the first time.
func (e *Endpoint) Stats() Stats {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	return e.member.stats
}

func (s *Stats) add(o Stats) {
	s.Published += o.Published
	s.PublishedBytes += o.PublishedBytes
	s.Handed += o.Handed
	s.Duplicated += o.Duplicated
	s.InFlight += o.InFlight
	s.Blackholed += o.Blackholed
	s.Offline += o.Offline
	s.Partitioned += o.Partitioned
	s.Filtered += o.Filtered
	s.Lost += o.Lost
	s.Unheard += o.Unheard
	s.Delivered += o.Delivered
	s.DeliveredBytes += o.DeliveredBytes
	s.Discarded += o.Discarded
	s.Stored += o.Stored
	s.Unstored += o.Unstored
	s.Forgotten += o.Forgotten
	s.Queries += o.Queries
	s.QueriesFailed += o.QueriesFailed
}
