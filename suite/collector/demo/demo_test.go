package demo

import "testing"

// The story is in one day, whenever it is told, and not far from now.
func TestStoryIsInOneDay(t *testing.T) {
	const day = 24 * hour
	for now := 20_000 * int64(day); now < 20_002*day; now += 7 * minute {
		at := outageAt(now)
		if begin, end := at-calm-history, at+outage+ending; begin/day != end/day || at%hour != 0 {
			t.Errorf("at %d h: from %d to %d h", now%day/hour, begin%day/hour, end%day/hour)
		}
		if at-now > hour || now-at > 10*hour {
			t.Errorf("at %d h: the outage begins %d h later", now%day/hour, (at-now)/hour)
		}
	}
}
