// Package conformance says to an SDS participant what stands in the dialogues of the
// specification (spec/vectors/dialogues), and tells which requirements its answers
// meet. It is behind "causeway conformance".
//
// A participant reads commands and prints events as "causeway peer" does: package
// suite/peer describes the language. Each case starts a participant of its own, with
// the flags --channel tea --sender alice --dialect D --clock 1700000000000, and those
// that the case has.
//
// # A dialogue
//
// A file has the cases of one dialect. A case has steps: commands, the events that
// must be among their answers, in this order ("expect"), and those that must not
// ("never"). An event is what is expected if every member of the expected one is
// there and is the same:
//
//	object     every member of it, by the same rule; others may be there
//	list       as many elements, each by the same rule
//	null       the member is absent, or null
//	"$m1"      a payload, "#m1" an id: any string where the name is met for the first
//	           time, and afterwards the same; commands may use it, too
//	anything   the same
//
// A payload that is an object, {"message": {…}}, is made when the dialogue runs: see
// Build.
//
// Events that are sent ("out") have a member more than on the wire, message: what the
// payload decodes to. See Message.
package conformance
