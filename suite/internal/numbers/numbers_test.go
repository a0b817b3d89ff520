package numbers

import "testing"

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Number(0): "0", Number(999): "999", Number(-1000): "-1,000", Number(1234567): "1,234,567",
		Plural(1, "node", "nodes"): "1 node", Plural(0, "node", "nodes"): "0 nodes", Plural(1000, "node", "nodes"): "1,000 nodes",
		Percent(0.2): "20 %", Percent(0.125): "12.5 %", Percent(1): "100 %",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
