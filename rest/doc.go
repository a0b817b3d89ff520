// Package rest is an HTTP API over a causeway.Node: for tests that drive nodes from
// outside, for programs in other languages, and for a page that shows what happens.
//
//	api, err := rest.New(node, rest.Options{Version: "1.0", Participant: "alice"})
//	listener, err := rest.Listen("127.0.0.1:8645") // or unix:/run/causeway.sock
//	err = api.Serve(ctx, listener)                 // until ctx ends
//
// An API is an http.Handler, too. Its description is served at /openapi.yaml, and a
// page to watch at /.
//
// # Conventions
//
// They are those of Waku nodes: payloads in base64, times in nanoseconds since 1970.
// Ids are strings. One that is not UTF-8, or begins with "base64:", is written as
// "base64:" and the URL alphabet without padding; every id may be.
//
// An error is an application/problem+json whose code names it, with the field and the
// limit where there are such.
//
// # What is guaranteed
//
// A message is durable when POST answers 201. Events are numbered by a cursor, and
// who goes on from the last cursor that it has dealt with misses none, neither between
// two polls nor between two streams; a cursor that is too old gets 410 and the
// oldest that will do. Who reads slowly holds up nobody: its stream is cut, and it
// goes on from where it was.
//
// # Who may ask
//
// Without a token an API answers on loopback addresses and unix sockets alone, and
// only to requests that name a loopback host, so that no page of the internet can
// reach it by giving its name another address. With a token it is asked for
// everywhere but on the page itself. Requests of other origins are always refused.
//
// What breaks things (package transport/faults) is there only where the host says so.
package rest
