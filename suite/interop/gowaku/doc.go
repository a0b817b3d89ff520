// Package gowaku has tests alone: of suite/waku with the real go-waku v0.10.0.
//
// go-waku needs an older go-libp2p and a fork of gossipsub, so that no program can
// hold both. It runs in child processes, which speak the protocols of Waku with the
// nodes of a test over 127.0.0.1, and which the test drives by lines of JSON (see
// interop/gowaku/peer, a module of its own). The tests build that program first,
// which takes minutes when nothing of it is in Go's build cache, and needs a C
// compiler. They run with make interop and make nightly. If only that program has changed,
// go test needs -count=1, or shows the result of before.
//
// docs/interop-gowaku.md says what works, and names the test of each.
package gowaku
