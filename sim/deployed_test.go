package sim

import (
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/sds"
)

// deployedLog is a log of n messages, all of them from one sender.
func deployedLog(n int, sender sds.ParticipantID) []sds.Delivery {
	log := make([]sds.Delivery, n)
	for i := range log {
		text := fmt.Appendf(nil, "message %d", i)
		log[i] = sds.Delivery{ID: sds.ContentID(text)[:29], Sender: sender, Content: text}
	}
	return log
}

// TestDeployed compares with sizes that were added up by hand, field by field:
// tag, length and value.
func TestDeployed(t *testing.T) {
	const (
		sender  = 1 + 1 + 20
		channel = 1 + 1 + 32
		// @waku/sds: content has a tag of two bytes, the timestamp is in ms.
		jsBase  = sender + (1 + 1 + 64) + channel + (1 + 6) + (1 + 3 + 18_752)
		jsEntry = 1 + 1 + (1 + 1 + 64) + (1 + 1 + 20)
		// nim-sds: no sender, the timestamp is in s.
		nimBase   = (1 + 1 + 66) + (1 + 5) + channel + (1 + 3 + 18_768)
		nimRolled = nimBase + 22_520 - 18_768
		nimOwn    = 1 + 1 + (1 + 1 + 66)
		nimOther  = nimOwn + (1 + 1 + 20)
	)
	other, own := memberID(1), memberID(0)
	tests := []struct {
		name    string
		log     []sds.Delivery
		content int
		js, nim int
	}{
		{"first", nil, 100, jsBase + 2 + 1 + 100, nimBase + 1 + 1 + 100},
		{"longer content", nil, 128, jsBase + 2 + 2 + 128, nimBase + 1 + 2 + 128},
		{"one of others", deployedLog(1, other), 1, jsBase + jsEntry + 4, nimBase + nimOther + 3},
		{"one of its own", deployedLog(1, own), 1, jsBase + jsEntry + 4, nimBase + nimOwn + 3},
		{"11", deployedLog(11, other), 1, jsBase + 11*jsEntry + 4, nimBase + 10*nimOther + 3},
		{"200", deployedLog(200, other), 1, jsBase + 200*jsEntry + 4, nimBase + 10*nimOther + 3},
		{"201", deployedLog(201, other), 1, jsBase + 200*jsEntry + 4, nimBase + 10*nimOther + 3},
		{"before the roll", deployedLog(12_000, own), 1, jsBase + 200*jsEntry + 4, nimBase + 10*nimOwn + 3},
		{"rolled", deployedLog(12_001, own), 1, jsBase + 200*jsEntry + 4, nimRolled + 10*nimOwn + 3},
		{"said twice", append(deployedLog(1, other), sds.Delivery{ID: "again", Sender: other, Content: []byte("message 0")}),
			1, jsBase + jsEntry + 4, nimBase + nimOther + 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d Deployed
			for range 2 { // the second time is added to the first
				if err := d.Sent(own, DefaultStart, "id", make([]byte, tt.content), tt.log); err != nil {
					t.Fatal(err)
				}
			}
			if d.JS != 2*tt.js || d.Nim != 2*tt.nim || d.Messages != 2 {
				t.Errorf("js %d, nim %d, want twice %d and %d", d.JS, d.Nim, tt.js, tt.nim)
			}
		})
	}
}

// TestDeployedEncodes checks that what is counted are whole messages of the
// dialect, and how large those of the facts are.
func TestDeployedEncodes(t *testing.T) {
	var d Deployed
	if err := d.init(); err != nil {
		t.Fatal(err)
	}
	content, log := make([]byte, 100), deployedLog(300, memberID(1))
	js := d.jsMessage(memberID(0), DefaultStart, sds.ContentID(content), content, log)
	nim := d.nimMessage(memberID(0), DefaultStart, sds.ContentID(content), content, log)
	if n := len(js.Encode()); n != js.Size() || len(js.BloomFilter) != 18_752 || len(js.CausalHistory) != 200 {
		t.Errorf("js: %d bytes, size %d, filter %d, history %d", n, js.Size(), len(js.BloomFilter), len(js.CausalHistory))
	}
	if n := len(nim.Encode()); n != nim.Size() || len(nim.BloomFilter) != 18_768 || len(nim.CausalHistory) != 10 {
		t.Errorf("nim: %d bytes, size %d, filter %d, history %d", n, nim.Size(), len(nim.BloomFilter), len(nim.CausalHistory))
	}
	if len(d.rolled) != 22_520 {
		t.Errorf("the rolled filter has %d bytes", len(d.rolled))
	}
}
