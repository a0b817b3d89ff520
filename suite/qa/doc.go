// Package qa tests causeway nodes from outside: each node is a process of its own, on
// Waku over loopback, and is told everything by its HTTP API. The tests go through
// what those who test reliable channels check (RC01 … RC13), and through what no
// implementation passed before.
//
// CAUSEWAY_QA=1 (make qa) makes the one long that is about many: CAUSEWAY_QA_MESSAGES
// says how many messages pass while one of CAUSEWAY_QA_MEMBERS is away. Each answer is checked against the description that the node serves.
package qa
