// Package js has tests alone: of ours with the real @waku/sds 0.0.8 of npm, in
// both directions.
//
// A member of a test is a Node.js process with @waku/sds in it (interop/js), a
// process with the machine of "causeway peer", or an sds.Channel in the JS dialect,
// which is what nodes run. The processes speak the language of suite/peer, the
// test is the network between them, and time is virtual: minutes of repair take
// seconds.
//
// The tests fill a matrix, which must be the one in docs/interop.md. They need node
// and npm, fetch the library with "npm ci" once, and run with the others. Without
// node they are left out, except under CI=true, where that is a failure.
package js
