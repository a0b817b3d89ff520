// Package collector is the telemetry service: it takes what devices report about
// messages to many (package telemetry/report), keeps it (package archive), works out
// how reliable delivery was and how much of that is not known (package
// telemetry/estimate), and shows it: a page, a query API, Prometheus metrics and SQL
// views.
//
//	archive, err := archive.Open(ctx, "telemetry.db")
//	service, err := collector.New(collector.Options{Archive: archive})
//	err = service.Serve(ctx, listener) // until the context ends
//
// # What it promises
//
// An upload is durable before it is answered, and counts once, by its installation,
// epoch and numbers, in whatever order and however often it comes, also across kill
// -9. What was acknowledged is never lost; what was not may be sent again. Whatever
// is wrong with one event is told of that event, and the others are taken.
//
// A client that asks for too much is told to come back later (429, 503, Retry-After);
// the memory of the service does not grow with what clients send.
//
// When the collector itself was down it says so: the time is a gap, in which the
// silence of devices says nothing about them.
//
// Several collectors may share one PostgreSQL archive: each takes uploads and answers
// queries, and one of them estimates. A SQLite archive has one collector.
package collector
