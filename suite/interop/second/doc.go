// Package second has tests alone: of the participant in interop/second, which was
// written in JavaScript from the specification.
//
// It recomputes the vectors of spec/vectors, holds the dialogues in each dialect, and
// speaks over a network that loses messages with the machine of "causeway peer", and with
// an sds.Channel, which is what nodes run: logs must end equal, and what one side proves
// about itself, the other must accept. Time is virtual.
//
// The tests need node, and run with the others. Without it they are left out, except
// under CI=true, where that is a failure.
package second
