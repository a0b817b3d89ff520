// Package sim runs groups of participants in virtual time, over networks that
// lose, delay, duplicate, reorder and cut, with the same sds code that runs in
// programs.
//
// A Group is deterministic: the same Options and calls give the same events,
// byte for byte. Its members keep their state as a host must: Changes are
// applied before anything else of a Ready leaves, and a member can be restarted
// from what was applied.
//
// While it runs, a Group checks what sds promises against a deliberately dumb
// model of its own (see Checker): no receipt counts a person that does not have
// the message, no position is given twice, dependencies come first or are
// declared as gaps, and every buffer is within its bound.
package sim
