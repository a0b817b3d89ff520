// Package faults puts faults between a node and its network: for tests, and for
// whoever has to see how a group gets over them.
//
//	network, faults, err := faults.Wrap(network, faults.Options{Seed: 1})
//	...
//	rule, err := faults.Add(faults.Rule{Action: faults.Drop, On: faults.Receive, Content: []byte("m2"), Next: 1})
//	faults.SetOnline(false)
//
// # What a packet meets on its way
//
// A packet that is published, or received, is looked at in this order: is the
// transport offline, does its author stand on the other side of a partition, and
// then rule after rule, oldest first. A packet that is dropped meets no further
// rule; all else adds up. What stores return is dropped by rules that say Retrieve.
//
// A packet that is dropped, delayed or held back when it is published counts as
// taken by the network, without a hint: nobody can tell that it is lost, as in
// life. It is published when its time comes; an error is counted then.
//
// # Chance
//
// Whether a rule with a Share hits is a function of the seed, the rule's number
// and how many packets the rule has matched before: the same packets in the same
// order meet the same faults.
//
// # Memory and goroutines
//
// At most MaxHeld packets are held at once, by all rules; what would be one more
// goes on at once, and is counted. Timers alone hold them: but for one goroutine
// for each watcher, nothing runs. Without a rule a packet costs one lock and no allocation.
package faults
