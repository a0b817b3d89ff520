// Package prove shows that the telemetry tells the truth: it plays communities whose
// truth is known, lets package estimate see nothing but what devices upload, and
// compares. The old service's formula runs on the same reports.
//
// Most scenarios are played by a generator of their own (town.go, journal.go): it
// draws who writes what, who gets it when, and what happens to the devices, without
// any protocol, which is fast enough for hundreds of seeds. The scenarios of
// crowd.go run package sds among all members in package sim/crowd, whose truth is
// what the members hold.
package prove
