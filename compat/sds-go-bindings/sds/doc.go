// Package sds is a drop-in for package sds of the cgo bindings of nim-sds, in
// pure Go: the same names and signatures over the Causeway library. A host that
// used the bindings, such as status-go, changes its go.mod and nothing else; see
// docs/status-go.md.
//
// A ReliabilityManager keeps any number of channels. Wrap gives a message the
// name, the clock and the causal history that SDS needs, Unwrap takes it off again
// and says what is missing; what else there is to know comes through callbacks.
// Nothing is sent and no goroutine runs unless the host asks for it with
// RegisterOutgoingCallback and StartPeriodicTasks.
//
// # Callbacks
//
// Callbacks are called one at a time, in the order of what they report, with no
// lock held; before the call returns that caused them, unless another goroutine is
// calling callbacks at that moment, which then calls these too. A callback may
// call any method, Cleanup included; what such a call causes is reported after the
// callback returns. A callback that blocks holds up other callbacks, not other
// calls, until 16,384 reports wait.
//
// RetrievalHintProvider is called inside WrapOutgoingMessage, for each message
// that the wrapped one will name, with no lock held either. It may be called by
// several goroutines at once.
//
// # Bounds
//
// Channels that only the network named are at most 1,024 and 64 MiB together; the
// least recently used is forgotten. Channels that the host wrote to stay until
// Reset or Cleanup. In each, 16,384 messages wait for acknowledgement: after that
// the oldest is given up, and Wrap never fails for it. Encoded messages that may
// have to be sent again take at most 16 MiB per manager. Message ids, channel ids
// and participant ids have at most 512 bytes, hints at most 1,024.
//
// # What is not as in nim-sds
//
// All of it is listed in docs/status-go.md: a message that was given up is not
// reported as sent, a filter hit is no acknowledgement, a dependency that is here
// and waits itself is not reported missing, ready events come in causal order, and
// what a lost message blocks is released after 30 seconds.
package sds
