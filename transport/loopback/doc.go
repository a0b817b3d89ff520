// Package loopback is a network inside the process that loses, repeats, delays
// and reorders as it is told: for tests, demos and examples.
//
//	network, err := loopback.New(loopback.Options{Seed: 1, Loss: 0.05, Store: &loopback.StoreOptions{}})
//	alice, err := network.Attach("alice") // a transport.Transport, Retriever and Confirmer
//	defer network.Close()
//
// # What an envelope meets on its way
//
// Publish stamps the envelope and hands one copy to each other endpoint that
// subscribes to the topic at that instant, and one to the store. Then and there
// it is decided, in this order, whether a copy is dropped: because the publisher
// or the receiver is black-holed, because the receiver is offline, because the
// two are partitioned, because the filter says so, by chance (Loss). What is
// left flies for a time drawn between MinDelay and MaxDelay, and is dropped on
// arrival if by then the receiver is offline or black-holed, or has cancelled its
// subscriptions. A partition that begins meanwhile does not stop it.
//
// Stats counts each of these, so that nothing is dropped without a trace.
//
// # The store
//
// The store is one more member: without delay and without loss by chance, but
// with partitions and the filter, under the name StoreName. So it has what
// receivers lost. While the network is partitioned, a store that no group names
// can be reached by all.
//
// # Chance
//
// Loss, duplication and delay are a function of the seed, the receiver's name
// and how many envelopes were addressed to that name before, whatever became of
// them. Goroutines that publish at the same time decide among themselves whose
// envelope is the n-th; nothing else depends on the scheduler.
//
// # Time, goroutines and memory
//
// The package reads time from package time alone, and all its goroutines (one
// for the network, one for each subscription and each watcher) end with Close: it
// runs inside a bubble of testing/synctest, where delays cost nothing. With no
// delay, an envelope has arrived at all receivers after synctest.Wait.
//
// What is in flight, and what waits for a slow receive, is held in memory
// without a bound. Payloads are held once, not once per receiver, and copied for
// each call of receive.
package loopback
