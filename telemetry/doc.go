// Package telemetry is the device's side of reliability telemetry: a durable
// journal of what the device can witness about messages, and its upload to a
// collector. It is off until the user has agreed to something (Options.Consent),
// and it holds and sends no account key, peer id, address or content: package
// report documents every field that leaves.
//
// # With a node
//
// A Telemetry is the Observer of the node, on the same store:
//
//	t, err := telemetry.New(ctx, telemetry.Options{Journal: db, Collector: "https://telemetry.example", Consent: 1,
//		Device: report.Device{App: "2.31", Platform: report.Android, Mode: report.Light, Protocol: "causeway"}})
//	node, err := causeway.Open(ctx, causeway.Options{Store: db, Transport: network, Observer: t})
//	defer t.Close(ctx)              // after node.Close
//	defer t.Follow(node.Metrics)()  // bytes by class
//	err = t.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: secret, Topic: topic})
//
// What is composed, received, handed over, acknowledged, missing, repaired and
// lost is written in the transaction that makes it so: none of it is lost in a
// crash, and none is invented. The rest is written within a second.
//
// # Without our node
//
// Any other host describes its channels and reports with the methods named after
// the kinds of package report: Composed, Attempted, Handed, and so on. Its journal
// is a store.SQL on a database of its own, or any other Journal.
//
// # What silence means
//
// The journal claims the time that it covers: the program was running, and
// everything that it witnessed until then is durable. The claim is written with
// the events and never passes them, so a crash, a full disk or a frozen process
// shows as time that is not covered, and not as messages that did not come.
// Events are numbered by the store itself, in the transaction that writes them.
// A run that did not end with Close begins a new epoch for the next one, since a
// machine that lost power may have lost the newest of what was uploaded already.
//
// # What it costs
//
// On the path of a message are the witnessing and the encoding of an event inside the
// node's transaction (BenchmarkCommitting), most of it the pseudonym of a message that
// is new. With it goes the store's insert of a row, which has all events of the
// transaction, or those up to the first that can be spared when they can't, or can't
// when they can (BenchmarkCommit of the suite compares a transaction without events,
// with one and with ten). docs/runs.md has figures. What a host reports itself is only
// put into a buffer (BenchmarkReceived). Not on the path are the writing of that buffer,
// the claim of time, pruning, packing and uploads: two goroutines do that.
//
//	go test ./telemetry ./suite/telemetry -run '^$' -bench .
//
// # What is given up
//
// The journal is bounded, in a form that takes about 100 bytes for an event alone, and
// 40 for one of several (TestRowsAreSmall); what leaves is the JSON of package report.
// When it is full, the oldest of what can be spared goes first (attempts, hand-overs,
// resends, traffic, and what is not multicast content), then the oldest of all, and the
// claim is withdrawn for their time. The collector is told the numbers of what went.
// When the user no longer agrees, Forget deletes all of it, and Telemetry.Disable does
// where recording is to go on later.
package telemetry
