package pace

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

type repairVectors struct {
	Nim []struct {
		Participant string          `json:"participant"`
		Sender      string          `json:"sender"`
		ID          string          `json:"message_id"`
		TMin        int64           `json:"t_min_ms"`
		TMax        int64           `json:"t_max_ms"`
		TReq        int64           `json:"t_req_offset_ms"`
		TResp       int64           `json:"t_resp_offset_ms"`
		InGroup     map[string]bool `json:"in_response_group"`
	} `json:"nim"`
	JS struct {
		Hash []struct {
			Input   string `json:"input"`
			Integer string `json:"integer"`
		} `json:"hash"`
		Combined []struct {
			Participant string `json:"participant"`
			ID          string `json:"message"`
			Integer     string `json:"integer"`
		} `json:"combined"`
		TReq struct {
			Config  struct{ TMin, TMax int64 } `json:"config"`
			Vectors []struct {
				Participant string `json:"participant"`
				ID          string `json:"message"`
				Offset      int64  `json:"offsetMs"`
			} `json:"vectors"`
		} `json:"tReq"`
		TResp struct {
			Config  struct{ TMax int64 } `json:"config"`
			Vectors []struct {
				Participant string `json:"participant"`
				Sender      string `json:"sender"`
				ID          string `json:"message"`
				Distance    string `json:"distance"`
				Offset      int64  `json:"offsetMs"`
			} `json:"vectors"`
		} `json:"tResp"`
		Groups []struct {
			Groups  int `json:"groups"`
			Members []struct {
				ID      string   `json:"message"`
				Sender  string   `json:"sender"`
				InGroup []string `json:"inGroup"`
			} `json:"members"`
		} `json:"responseGroup"`
		GroupsFor []struct {
			Participants int `json:"participants"`
			Groups       int `json:"groups"`
			Spec         int `json:"spec"`
		} `json:"groupsForParticipants"`
	} `json:"js"`
}

func loadRepair(t *testing.T) (v repairVectors) {
	t.Helper()
	b, err := os.ReadFile("testdata/repair.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// nim.json farmhash64.repair
func TestNimRepair(t *testing.T) {
	v := loadRepair(t).Nim
	if len(v) != 7 {
		t.Fatalf("%d vectors, want 7", len(v))
	}
	for _, v := range v {
		if got := NimRequestDelay(v.Participant, v.ID, ms(v.TMin), ms(v.TMax)); got != ms(v.TReq) {
			t.Errorf("%s asks for %s after %v, want %v", v.Participant, v.ID, got, ms(v.TReq))
		}
		if got := NimResponseDelay(v.Participant, v.Sender, v.ID, ms(v.TMax)); got != ms(v.TResp) {
			t.Errorf("%s answers for %s after %v, want %v", v.Participant, v.ID, got, ms(v.TResp))
		}
		for groups, want := range v.InGroup {
			g, err := strconv.Atoi(groups)
			if err != nil {
				t.Fatal(err)
			}
			if got := NimInGroup(v.Participant, v.Sender, v.ID, g); got != want {
				t.Errorf("%s in the group of %s for %s, of %d: %v", v.Participant, v.Sender, v.ID, g, got)
			}
		}
	}
}

// js.json repair.hash, repair.combined
func TestJSRepairHash(t *testing.T) {
	v := loadRepair(t).JS
	for _, v := range v.Hash {
		if got := strconv.FormatUint(jsHash(v.Input), 10); got != v.Integer {
			t.Errorf("jsHash(%q) = %s, want %s", v.Input, got, v.Integer)
		}
	}
	for _, v := range v.Combined {
		if got := strconv.FormatUint(jsHash(v.Participant+v.ID), 10); got != v.Integer {
			t.Errorf("jsHash(%q, %q) = %s, want %s", v.Participant, v.ID, got, v.Integer)
		}
	}
}

// js.json repair.tReq, repair.tResp: 24 timings.
func TestJSRepair(t *testing.T) {
	v := loadRepair(t).JS
	if len(v.TReq.Vectors) != 12 || len(v.TResp.Vectors) != 12 {
		t.Fatalf("%d and %d vectors, want 12 each", len(v.TReq.Vectors), len(v.TResp.Vectors))
	}
	for _, r := range v.TReq.Vectors {
		if got := JSRequestDelay(r.Participant, r.ID, ms(v.TReq.Config.TMin), ms(v.TReq.Config.TMax)); got != ms(r.Offset) {
			t.Errorf("%s asks for %s after %v, want %v", r.Participant, r.ID, got, ms(r.Offset))
		}
	}
	for _, r := range v.TResp.Vectors {
		if got := strconv.FormatUint(jsHash(r.Participant)^jsHash(r.Sender), 10); got != r.Distance {
			t.Errorf("distance of %s to %s is %s, want %s", r.Participant, r.Sender, got, r.Distance)
		}
		if got := JSResponseDelay(r.Participant, r.Sender, r.ID, ms(v.TResp.Config.TMax)); got != ms(r.Offset) {
			t.Errorf("%s answers for %s after %v, want %v", r.Participant, r.ID, got, ms(r.Offset))
		}
	}
}

// js.json repair.responseGroup, repair.groupsForParticipants
func TestJSGroups(t *testing.T) {
	v := loadRepair(t).JS
	if len(v.Groups) != 4 || len(v.GroupsFor) != 8 {
		t.Fatalf("%d and %d vectors, want 4 and 8", len(v.Groups), len(v.GroupsFor))
	}
	for _, g := range v.Groups {
		for _, m := range g.Members {
			for _, p := range []string{"alice", "bob", "carol", "dave"} {
				if got := JSInGroup(p, m.Sender, m.ID, g.Groups); got != slices.Contains(m.InGroup, p) {
					t.Errorf("%s in the group of %s for %s, of %d: %v", p, m.Sender, m.ID, g.Groups, got)
				}
			}
		}
	}
	for _, g := range v.GroupsFor {
		if js, spec := JSResponseGroups(g.Participants), SpecResponseGroups(g.Participants); js != g.Groups || spec != g.Spec {
			t.Errorf("%d participants: %d and %d groups, want %d and %d", g.Participants, js, spec, g.Groups, g.Spec)
		}
	}
	if JSResponseGroups(-1000) != 1 || SpecResponseGroups(-1000) != 1 {
		t.Error("fewer than no participants do not make one group")
	}
}

// test_reliability of nim-sds, "SDS-R computation" and "SDS-R edges".
func TestLegacyEdges(t *testing.T) {
	type request = func(string, string, time.Duration, time.Duration) time.Duration
	type response = func(string, string, string, time.Duration) time.Duration
	type group = func(string, string, string, int) bool
	for name, f := range map[string]struct {
		request  request
		response response
		group    group
	}{
		"nim": {NimRequestDelay, NimResponseDelay, NimInGroup},
		"js":  {JSRequestDelay, JSResponseDelay, JSInGroup},
	} {
		for _, tMax := range []time.Duration{ms(30_000), ms(29_999), 0, -ms(1), ms(30_000) + 999_999} {
			if got := f.request("bob", "m1", ms(30_000), tMax); got != ms(30_000) {
				t.Errorf("%s: tMax %v gives %v, want tMin", name, tMax, got)
			}
		}
		for _, tMax := range []time.Duration{0, -ms(1), 999_999} {
			if got := f.response("bob", "alice", "m1", tMax); got != 0 {
				t.Errorf("%s: tMax %v gives %v, want 0", name, tMax, got)
			}
		}
		for _, tMax := range []time.Duration{ms(1), ms(300_000), math.MaxInt64} {
			for i := range 500 {
				p, id := "p"+strconv.Itoa(i), "m"+strconv.Itoa(i/3)
				if got := f.response(p, "alice", id, tMax); got < 0 || got >= tMax {
					t.Errorf("%s: answer after %v of %v", name, got, tMax)
				}
				if got := f.request(p, id, 0, tMax); got < 0 || got >= tMax {
					t.Errorf("%s: request after %v of %v", name, got, tMax)
				}
			}
		}
		if got := f.response("alice", "alice", "m1", ms(300_000)); got != 0 {
			t.Errorf("%s: the sender answers after %v", name, got)
		}
		for _, groups := range []int{math.MinInt, -1, 0, 1} {
			if !f.group("bob", "alice", "m1", groups) {
				t.Errorf("%s: somebody is not in the only group (%d)", name, groups)
			}
		}
		in := 0
		for i := range 1000 {
			id := "m" + strconv.Itoa(i)
			if !f.group("alice", "alice", id, 10) {
				t.Errorf("%s: the sender is not in its own group", name)
			}
			if f.group("bob", "alice", id, 10) {
				in++
			}
		}
		if in < 50 || in > 200 {
			t.Errorf("%s: one of ten groups has %d of 1000", name, in)
		}
	}
}

func TestMagnitude(t *testing.T) {
	for in, want := range map[int64]uint64{0: 0, 5: 5, -5: 5, math.MaxInt64: math.MaxInt64, math.MinInt64: 1 << 63} {
		if got := magnitude(uint64(in)); got != want {
			t.Errorf("magnitude(%d) = %d, want %d", in, got, want)
		}
	}
}
