// Package crowd runs thousands of participants of one channel in virtual time,
// with the same sds code that runs in programs, over a network that loses,
// delays, duplicates, reorders and cuts, and measures how it went.
//
// A Scenario says who takes part, what they say and what the network does to it;
// Run returns a Result. The same Scenario gives the same Result on every machine
// of one architecture, whatever the number of workers; only WallSeconds differs.
//
// Package sim has small groups that are checked against a model of every rule
// while they run. This package is for scale, and for figures: it keeps the truth
// about who has what, and compares what members say with it.
//
// # How it works
//
// The engine is a conservative parallel simulation. Nothing reaches anybody
// faster than the smallest delay of the network, so within a window of that
// length all members are independent: shards of members work through it in
// parallel, and what they broadcast is put in order (time, member, serial) at its
// end. Loss, duplication and delay of a broadcast at a receiver are a hash of the
// seed, the number of the broadcast and the receiver, never draws from a shared
// stream. A packet is decoded once for all its receivers, and the bytes of a
// message are kept once for all members that may have to repair it.
//
// # What is counted
//
// The fields of Result say how each figure is defined. A case that had not
// happened by the end of the run counts in a Distribution with the time until
// then, as "at least that long": what never comes makes a figure worse, not
// better.
package crowd
