package prove

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

var update = flag.Bool("update", false, "write the expected tables")

// nightly has 200 seeds of each scenario, and 20 of those that are costly.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") == "1"

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // many small heaps
	os.Exit(m.Run())
}

func seeds(s Scenario, all int) int {
	if s.Costly() {
		return max(all/10, 2)
	}
	return all
}

// Every scenario meets the bars, and the table is the expected one:
// testdata/prove-20.txt, and prove-200.txt nightly. Written with
//
//	go test ./prove -run TestProof -update
//
// and CAUSEWAY_NIGHTLY=1 before it; causeway telemetry prove prints the same.
func TestProof(t *testing.T) {
	n := 20
	if nightly {
		n = 200
	}
	var table bytes.Buffer
	table.WriteString(Head)
	for _, s := range Scenarios() {
		results, err := Run(t.Context(), s, seeds(s, n), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(&table, results); err != nil {
			t.Fatal(err)
		}
		for i := range results {
			for _, missed := range results[i].Missed(s) {
				t.Error(missed)
			}
		}
	}
	name := filepath.Join("testdata", fmt.Sprintf("prove-%d.txt", n))
	if *update {
		if err := os.WriteFile(name, table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.Bytes(), want) {
		t.Errorf("the table is not that of %s:\n%s", name, table.String())
	}
}
