// Package town tests a Status Community as a whole: causeway.Node on Waku nodes that
// talk TCP on 127.0.0.1, with what package community says about roles, chats, kinds of
// messages and rosters. It has nothing to import.
//
//	plan_test.go       who lives there, with which devices, and who may read what
//	town_test.go       the network: relays, two service nodes, a store, their faults
//	device_test.go     one installation, which may live several times
//	seal_test.go       the key of each chat, and who has it
//	message_test.go    what people say, and what an application shows of it
//	scenario_test.go   a day in the town, step by step
//	wide_test.go       the same on the deployed channel of a whole community
//	collector_test.go  what devices with telemetry say, against what happened
//	audit_test.go      equal logs, honest receipts, figures
//
// There are 7 people with 8 devices; CAUSEWAY_NIGHTLY=1 makes it 20 people with 22.
// Tests wait for events, up to a ceiling, and never for time to pass.
package town
