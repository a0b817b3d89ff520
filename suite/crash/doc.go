// Package crash holds tests that end real processes with kill -9, again and
// again, and compare what they said with what they left behind.
//
// A child process (child_test.go) runs a node on a SQLite file. Its network is
// its parent (parent_test.go): what it publishes goes over a pipe to an endpoint
// of a lossy network, on which others take part. It sends by itself, reads its
// own events, and reports each step in a line. The parent kills it at a moment
// that a plan chose (plan_test.go), reads the lines that came through whole, and
// starts the next child on the same file. A witness (witness_test.go) remembers
// all that was ever said and complains about what a later life contradicts.
//
// TestKill -v prints what was hit. CAUSEWAY_CRASH_SEED repeats the plans of a
// run, as far as timing lets itself be repeated. With CAUSEWAY_NIGHTLY=1 there
// are 5,000 kills instead of 150.
//
// The witness is tested, too: TestWitness tells it a lie of each kind, and
// TestKillFindsBugs lets children run on stores that break a promise.
//
// The folder also proves that a long history costs nothing at the start
// (history_test.go).
package crash
