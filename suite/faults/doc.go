// Package faults tests groups of real nodes over a real network that fails:
// causeway.Node on SQLite, over Waku nodes that talk TCP on 127.0.0.1, with a
// store node and light nodes. It has nothing to import.
//
//	loss_test.go       messages are lost above gossip, at each receiver on its own
//	burst_test.go      1,000 messages at full speed, and consumers that don't consume
//	cut_test.go        connections are cut: unnoticed, reset, by the device itself;
//	                   the network falls into two halves
//	restart_test.go    a node is closed, and opened again with the same identity
//	kill_test.go       the same with a process and kill -9
//	soak_test.go       a process for each of ten members and the store node, killed at
//	                   random for half an hour, with losses; and four for seconds
//	absence_test.go    a member comes back to a store that is absent, dies, is slow,
//	                   refuses, forgets or lags
//	light_test.go      the service nodes of a light member die
//	envelope_test.go   what the network sees of a message that is sent several times
//
// Each test ends in the same way (group.settle): all logs are the same, and the
// sender of each message knows that everybody has it. While it runs, a referee
// looks into the store of each person whom a receipt counts, before the receipt is
// durable: there must be the message.
//
// Tests wait for events, up to a ceiling, and never for time to pass, except for
// the time that a fault is to last. CAUSEWAY_NIGHTLY=1 makes cuts last 10 s and a
// minute, and runs TestSoak. What happens in that is counted in messages and depends
// on a seed, which it prints: CAUSEWAY_SOAK_SEED repeats it, and CAUSEWAY_SOAK says
// how long it lasts. At its end it looks into all databases once more, and at what
// those processes use that nobody killed.
package faults
