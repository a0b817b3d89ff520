package spec

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
)

// float is a number as the text has it: with ten digits, which all platforms agree on.
func float(f float64) json.Number { return json.Number(strconv.FormatFloat(f, 'g', 10, 64)) }

// rounded keeps a duration to the microsecond: logarithms may differ in the last bit.
func rounded(d time.Duration) int64 { return d.Round(time.Microsecond).Nanoseconds() }

func timing(name string, needs []string, in, out object) vector {
	return vector{Name: name, Requirements: needs, In: in, Out: out}
}

// spec R40 R43 R44 R60 R61 R63 R64 R68 R121 R124 R125: timerCases are the formulae.
func timerCases(t *testing.T) []vector {
	cases := append(suppressionCases(t), backoffCases()...)
	cases = append(cases, quantiseCases(t)...)
	cases = append(cases, hashCases(t)...)
	cases = append(cases, sampleCases()...)
	return append(cases, legacyCases(t)...)
}

func suppressionCases(t *testing.T) (cases []vector) {
	const grtt = time.Second
	for _, n := range []int{2, 16, 17, 256, 257, 10_000} {
		for _, u := range []float64{0, 0.25, 0.5, 0.99} {
			lambda, k := math.Log(float64(n))+1, 2.0
			if n > 256 {
				k = 4
			} else if n > 16 {
				k = 3
			}
			d := pace.SuppressionDelay(u, n, grtt)
			if text := k / lambda * math.Log(1+u*(math.Exp(lambda)-1)); math.Abs(text-d.Seconds()) > 1e-6 {
				t.Errorf("n %d, u %g: %v, the text says %g s", n, u, d, text)
			}
			cases = append(cases, timing(fmt.Sprintf("suppression of %d members at u = %g", n, u), need("R61"),
				object{"members": n, "u": float(u), "grtt": grtt.Nanoseconds()},
				object{"lambda": float(lambda), "period": pace.Period(n, grtt).Nanoseconds(), "delay": rounded(d)}))
		}
	}
	return cases
}

func backoffCases() (cases []vector) {
	const grtt = time.Second
	for attempt := 1; attempt <= 9; attempt++ {
		cases = append(cases, timing(fmt.Sprintf("back-off after %d requests", attempt), need("R63"), object{"requests": attempt, "grtt": grtt.Nanoseconds()},
			object{"lively": pace.RequestBackoff(attempt, grtt, true).Nanoseconds(), "nobodyThere": pace.RequestBackoff(attempt, grtt, false).Nanoseconds()}),
			timing(fmt.Sprintf("resend no. %d", attempt), need("R60"), object{"attempt": attempt},
				object{"from": pace.ResendDelay(attempt, 0).Nanoseconds(), "middle": pace.ResendDelay(attempt, 0.5).Nanoseconds()}))
	}
	for _, i := range []time.Duration{0, 4 * time.Second, 8 * time.Second, 40 * time.Minute, time.Hour} {
		cases = append(cases, timing(fmt.Sprintf("Trickle after an interval of %v", i), need("R68"), object{"interval": i.Nanoseconds()},
			object{"next": pace.TrickleNext(i).Nanoseconds()}))
	}
	for h, name := range map[pace.Holder]string{pace.Author: "author", pace.Early: "steward or hashed holder", pace.Other: "other"} {
		cases = append(cases, timing("answer of the "+name, need("R64"), object{"who": name, "members": 100, "u": float(0.5), "grtt": grtt.Nanoseconds()},
			object{"delay": rounded(pace.ResponseDelay(0.5, h, 100, grtt))}))
	}
	cases = append(cases, timing("loss by time", need("R40"), object{"grtt": grtt.Nanoseconds()}, object{"delay": pace.LossDelay(grtt).Nanoseconds(), "newer": pace.LossNewer}))
	slicesByName(cases)
	return cases
}

func quantiseCases(t *testing.T) (cases []vector) {
	for _, n := range []int{1, 15, 16, 31, 32, 33, 34, 100, 10_000, 507_904, 1_000_000} {
		code := pace.EncodeGroupSize(n)
		cases = append(cases, timing(fmt.Sprintf("a group of %d as one byte", n), need("R43"), object{"members": n},
			object{"code": code, "standsFor": pace.DecodeGroupSize(code)}))
	}
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, 1100 * time.Microsecond, 100 * time.Millisecond, time.Second, 2500 * time.Millisecond, time.Minute} {
		code := pace.EncodeRoundTrip(d)
		cases = append(cases, timing(fmt.Sprintf("a round trip of %v as one byte", d), need("R44"), object{"roundTrip": d.Nanoseconds()},
			object{"code": code, "standsFor": pace.DecodeRoundTrip(code).Nanoseconds()}))
	}
	for code := 1; code < 256; code++ { // the formulae of the text
		size := code
		if code >= 16 {
			size = (16 + code%16) << (code/16 - 1)
		}
		trip := min(time.Duration(16+(code-1)%16)*time.Millisecond/16<<((code-1)/16), time.Minute)
		if pace.DecodeGroupSize(uint8(code)) != size || pace.DecodeRoundTrip(uint8(code)) != trip {
			t.Errorf("code %d: %d and %v, the text says %d and %v", code, pace.DecodeGroupSize(uint8(code)), pace.DecodeRoundTrip(uint8(code)), size, trip)
		}
	}
	return cases
}

func hashCases(t *testing.T) (cases []vector) {
	for i, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
		for _, n := range []int{6, 24} {
			b, sum := hashed(part("m1"), part(name))
			x := binary.BigEndian.Uint64(sum[:])
			holds := n <= 6 || float64(x) < 6*math.Ldexp(1, 64)/float64(n)
			if pace.IsHolder("m1", name, n) != holds {
				t.Errorf("%s of %d: the text says %v", name, n, holds)
			}
			if i > 0 && n == 6 {
				continue
			}
			cases = append(cases, timing(fmt.Sprintf("is %s of %d a holder of m1?", name, n), need("R64"), object{"id": "m1", "participant": name, "members": n},
				object{"hashed": inHex(b), "x": hex64(x), "holder": holds}))
		}
	}
	for _, name := range []string{"alice", "bob"} {
		b, sum := hashed([]byte("causeway/census/1"), be64(0x0102030405060708), be32(0x0a0b0c0d), []byte(name))
		h := binary.BigEndian.Uint64(sum[:])
		cases = append(cases, timing("the sample's hash of "+name, need("R121"),
			object{"seed": hex64(0x0102030405060708), "version": "0a0b0c0d", "person": name, "size": 80, "persons": 1000},
			object{"hashed": inHex(b), "hash": hex64(h), "limit": hex64(pace.CensusLimit(80, 1000)), "asked": h < pace.CensusLimit(80, 1000)}))
	}
	return cases
}

func sampleCases() (cases []vector) {
	for _, c := range []struct {
		want      float64
		sample, n int
	}{{0.9, 80, 1000}, {0.5, 80, 1000}, {0.95, 80, 1000}, {0.9, 31, 31}, {1, 80, 1000}} {
		cases = append(cases, timing(fmt.Sprintf("enough of %d for %g of %d", c.sample, c.want, c.n), need("R124"),
			object{"want": float(c.want), "sample": c.sample, "persons": c.n}, object{"enough": pace.CensusEnough(c.want, c.sample, c.n)}))
	}
	for _, c := range [][3]int{{69, 76, 99}, {76, 76, 99}, {0, 80, 1000}, {80, 80, 10_000}, {40, 80, 10_000}} {
		low, high := pace.ShareInterval(c[0], c[1], c[2])
		cases = append(cases, timing(fmt.Sprintf("%d of %d heard, of %d", c[0], c[1], c[2]), need("R125"),
			object{"heard": c[0], "sample": c[1], "persons": c[2]}, object{"low": float(low), "high": float(high)}))
	}
	return cases
}

// legacyCases are the repair timers of deployed peers, which recorded them.
func legacyCases(t *testing.T) (cases []vector) {
	var r struct {
		Nim []struct {
			Participant, Sender string
			ID                  string `json:"message_id"`
			TMin                int64  `json:"t_min_ms"`
			TMax                int64  `json:"t_max_ms"`
			TReq                int64  `json:"t_req_offset_ms"`
			TResp               int64  `json:"t_resp_offset_ms"`
		}
		JS struct {
			TReq struct {
				Vectors []struct {
					Participant, Message string
					OffsetMs             int64
				}
			}
			TResp struct {
				Vectors []struct {
					Participant, Sender, Message string
					OffsetMs                     int64
				}
			}
		}
	}
	record(t, "../sds/pace/testdata/repair.json", &r)
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, v := range r.Nim {
		req, resp := pace.NimRequestDelay(v.Participant, v.ID, ms(v.TMin), ms(v.TMax)), pace.NimResponseDelay(v.Participant, v.Sender, v.ID, ms(v.TMax))
		if v.Participant == v.Sender {
			resp = 0
		}
		if req != ms(v.TReq) || resp != ms(v.TResp) {
			t.Errorf("nim %v: %v and %v", v, req, resp)
		}
		cases = append(cases, vector{Name: fmt.Sprintf("nim: %s about %s of %s", v.Participant, v.ID, v.Sender), Requirements: need("R66"), Source: recordNim,
			In:  object{"participant": v.Participant, "sender": v.Sender, "id": v.ID, "tMinMs": v.TMin, "tMaxMs": v.TMax},
			Out: object{"requestMs": v.TReq, "answerMs": v.TResp}})
	}
	for _, v := range r.JS.TReq.Vectors {
		if d := pace.JSRequestDelay(v.Participant, v.Message, ms(30_000), ms(120_000)); d != ms(v.OffsetMs) {
			t.Errorf("JS %v: %v", v, d)
		}
		cases = append(cases, vector{Name: fmt.Sprintf("JS: %s asks for %s", v.Participant, v.Message), Requirements: need("R66"), Source: recordJS,
			In: object{"participant": v.Participant, "id": v.Message, "tMinMs": 30_000, "tMaxMs": 120_000}, Out: object{"requestMs": v.OffsetMs}})
	}
	for _, v := range r.JS.TResp.Vectors {
		if d := pace.JSResponseDelay(v.Participant, v.Sender, v.Message, ms(120_000)); d != ms(v.OffsetMs) {
			t.Errorf("JS %v: %v", v, d)
		}
		cases = append(cases, vector{Name: fmt.Sprintf("JS: %s answers for %s of %s", v.Participant, v.Message, v.Sender), Requirements: need("R66"), Source: recordJS,
			In: object{"participant": v.Participant, "sender": v.Sender, "id": v.Message, "tMaxMs": 120_000}, Out: object{"answerMs": v.OffsetMs}})
	}
	return cases
}
