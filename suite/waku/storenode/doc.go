// Package storenode speaks Waku Store v3 (/vac/waku/store-query/3.0.0) on a
// libp2p host, from both sides.
//
// Client asks store nodes of the network, in order and with fail-over. It has the
// methods of transport.Retriever and transport.Confirmer:
//
//	client, err := storenode.NewClient(host, storenode.Options{Stores: peers, PubsubTopic: shard})
//	page, err := client.Query(ctx, transport.Query{Topic: topic, From: from, To: to, Limit: 100})
//
// Server is a small store on SQLite for a group that has no other, and for tests,
// with faults that can be changed while it runs:
//
//	server, err := storenode.NewServer(ctx, host, db, storenode.ServerOptions{Retention: 30 * 24 * time.Hour})
//	server.Keep(pubsubTopic, message) // of every message that the relay hands over
//
// # What stores are trusted with
//
// Nothing that can be checked. A message counts if its hash is the one that the
// store gave or was asked for, and if it is of the right topics and time; all else
// is dropped and counted. What can't be checked: a store may conceal what it has,
// and say that it has what it has not.
//
// # What deployed stores do
//
// The client is written for these differences between nwaku, its successor
// logos-delivery, and the specification:
//
//   - logos-delivery refuses a query whose times are more than a day apart. The
//     client cuts its windows to a day once a store has refused a longer one.
//   - With PostgreSQL nwaku includes the end of a window, and refuses more than 100
//     hashes.
//   - A cursor is the hash of a message, and is refused when the store has forgotten
//     that message. The client then goes on by time.
//   - A query by hash is paged too, by 20 unless it has a limit.
//   - What is refused for its rate is answered unread, with "N/A" or nothing for a
//     request id.
package storenode
