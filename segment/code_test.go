package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// parityVectors are from Leopard itself, the C++ code.
var parityVectors = []struct {
	data, parity int
	first, sum   string
}{
	{1, 1, "00070e151c232a31", "54c9eb041badfd7064645067b107661fed6113197ce2dd066ba69618abd3732f"},
	{2, 1, "838c9d8ebf88998a", "04fda29da7207caee455d489e2f1325db6a838b76fb575257e1ce95debf2f596"},
	{2, 2, "d0d1f0c0d5ffdeee", "d1190182cd1e68de26fbb82e6196a71bbefc05a8dc0f0b38b2071cc78e0155e1"},
	{3, 1, "858385af95bba5cf", "3e5fba5a892ba248b93c17e3496e8b0a3a5b560f962da16bc81ff218ae9f7533"},
	{5, 2, "e8de60654f74d467", "f75cc98cee36b3bd1fa1ed622cd5923feb90545db73632b09e1f6575cb88b0f8"},
	{8, 1, "0820001028007020", "f62ffd7850d7847279ed1428d606aa4154c59a09f6c91a61ddefe5b36532a482"},
	{9, 2, "6616015db1df996f", "fd8118e21232575970f8a57e419920cc2175fc2d415dae87b5c03f98ac2eb143"},
	{16, 2, "850b56f4d3d8ea67", "d12b98d3d0f2a82002b3b01301180b6fe8cb31e5a9a64009c26469ab495c6865"},
	{17, 3, "ff9161a155532473", "fda4a7efe255411f396aabecb471461a669c0258c6c3821d32edda7f18e6fdfd"},
	{24, 6, "5d271082a8d83d8c", "13c2435f2226aeaaaadc5045d487e8e577f161288000c3bde7189ed2f5cc4db8"},
	{64, 8, "18240bb48fde9762", "d4425c7ed22fdbc490e67592bf211f78ed1759708377fa0b22763997a5f2c447"},
	{100, 13, "09e0c964388026bc", "ab52f925836258166d56f6496d6d043d58564f91fbf033ff460c237adee9e7f7"},
	{128, 16, "b28016b1c2d488b5", "fd21cd4bcebdfacdc56db617296fce791188d40f2b8a36847f1f75d2b8af4025"},
	{200, 25, "34e2f245fcffdd7c", "1aa8390b72b37110245b322484a4d022073a235095a3db239a342fc08a23e46b"},
	{223, 28, "6da085c93df64814", "1e7c064901d47686a18fc6e6fbcfa963e09f1f10d4712ada4e33d622fbba6a4b"},
	{224, 28, "7e92537295f00c6c", "bae1df04f136d09774797f66dcccc38e801ba9e904f661be11e1daa6f7c19486"},
	{227, 29, "49f6c1730837ddfc", "d02e48b987f9c735cabc7f5663df4924094737e4f4b30b23934c5f6aa91fe590"},
	{228, 28, "eeddf34214051069", "ffc1166670fc271e7a4781ca7bdf1d7a62346255cc40f4319cb5152fbcd87013"},
	{128, 128, "b7f85e41b30d44e2", "8469484a00c0524ed0b492e1f6ab393e768cfdbb1a3051228c88a1985139305b"},
	{300, 38, "f8bc16e78c89d059", "5ec475954edd09cfd8a827aa57f666651898df58395aa13b23d841dab1c724ab"},
}

// vectorData is the input of the vectors.
func vectorData(data int) []byte {
	b := make([]byte, 0, data*128)
	for i := range data {
		for j := range 128 {
			b = append(b, byte(i*131+j*7+i*j%251))
		}
	}
	return b
}

func TestParityVectors(t *testing.T) {
	for _, v := range parityVectors {
		payload := vectorData(v.data)
		cfg := Config{SegmentSize: 128 + headerSize, MaxSegments: 512}
		pieces := make([][]byte, v.data)
		for i := range pieces {
			pieces[i] = payload[i*128 : (i+1)*128]
		}
		shards, err := cfg.addParity(pieces, 128, v.parity)
		if err != nil {
			t.Errorf("%d + %d: %v", v.data, v.parity, err)
			continue
		}
		parity := bytes.Join(shards[v.data:], nil)
		sum := sha256.Sum256(parity)
		if hex.EncodeToString(parity[:8]) != v.first || hex.EncodeToString(sum[:]) != v.sum {
			t.Errorf("%d + %d: parity %x…, sum %x", v.data, v.parity, parity[:8], sum)
		}
	}
}

// TestParityTravels: Split writes the parity of the vectors, so that it is the
// right code by the way of an application too.
func TestParityTravels(t *testing.T) {
	checked := 0
	for _, v := range parityVectors {
		payload := vectorData(v.data)
		cfg := Config{SegmentSize: 128 + headerSize, MaxSegments: 512, ParityRate: float64(v.parity) / float64(v.data)}
		if cfg.parity(v.data) != v.parity {
			continue // no rate gives it
		}
		parts, err := Split(payload, cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, part := range parts[v.data:] {
			s, err := Decode(part, cfg)
			if err != nil || !s.Parity {
				t.Fatalf("%+v, %v", s, err)
			}
			h.Write(s.Payload)
		}
		if sum := hex.EncodeToString(h.Sum(nil)); sum != v.sum {
			t.Errorf("%d + %d: sum %s", v.data, v.parity, sum)
		}
		checked++
	}
	if checked < 15 {
		t.Errorf("only %d shapes checked", checked)
	}
}

// TestRecover loses every pattern of data shards of small codes, with each choice
// of parity that is just enough, and random patterns of large ones.
func TestRecover(t *testing.T) {
	for _, f := range []Format{LIP243, Status} {
		for data := 1; data <= 6; data++ {
			for parity := 1; parity <= min(data, 4); parity++ {
				for kept := range 1 << (data + parity) {
					checkRecover(t, f, data, parity, func(i int) bool { return kept>>i&1 == 1 })
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := Format(rapid.IntRange(0, 1).Draw(t, "format"))
		most := map[Format]int{LIP243: 400, Status: 200}[f]
		data := rapid.IntRange(1, most).Draw(t, "data")
		parity := rapid.IntRange(1, min(data, 50)).Draw(t, "parity")
		lost := map[int]bool{}
		for range rapid.IntRange(0, parity).Draw(t, "losses") {
			lost[rapid.IntRange(0, data+parity-1).Draw(t, "lost")] = true
		}
		checkRecover(t, f, data, parity, func(i int) bool { return !lost[i] })
	})
}

func checkRecover(t rapid.TB, f Format, data, parity int, kept func(int) bool) {
	t.Helper()
	c, err := newCode(f, data, parity)
	if err != nil {
		t.Fatalf("%v, %d + %d: %v", f, data, parity, err)
	}
	payload := vectorData(data)
	shards := make([][]byte, data+parity)
	for i := range shards {
		shards[i] = make([]byte, 128)
		if i < data {
			copy(shards[i], payload[i*128:])
		}
	}
	if err := c.encode(shards); err != nil {
		t.Fatalf("%v, %d + %d: %v", f, data, parity, err)
	}
	held := 0
	for i := range shards {
		if kept(i) {
			held++
		} else {
			shards[i] = nil
		}
	}
	err = c.recover(shards)
	if held < data {
		if err == nil && bytes.Equal(bytes.Join(shards[:data], nil), payload) {
			return // nothing of the data was lost
		}
		if err == nil {
			t.Fatalf("%v, %d + %d with %d shards: no error", f, data, parity, held)
		}
		return
	}
	if err != nil || !bytes.Equal(bytes.Join(shards[:data], nil), payload) {
		t.Fatalf("%v, %d + %d with %d shards: %v", f, data, parity, held, err)
	}
}

// TestCodeRejects: what a hostile segment may claim makes an error, not a panic.
func TestCodeRejects(t *testing.T) {
	for _, tt := range []struct {
		f            Format
		data, parity int
	}{
		{LIP243, 0, 1}, {LIP243, 1, 0}, {LIP243, -1, 1}, {LIP243, 1, 2}, {LIP243, MaxSegments, 1}, {LIP243, 1 << 40, 1 << 40},
		{Status, 0, 1}, {Status, 255, 2}, {Status, -1, 1},
	} {
		c, err := newCode(tt.f, tt.data, tt.parity)
		if err == nil {
			err = c.encode(make([][]byte, max(0, min(tt.data+tt.parity, 10))))
		}
		if err == nil {
			t.Errorf("%+v: no error", tt)
		}
	}
	c, err := newCode(LIP243, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, shards := range [][][]byte{nil, {nil, nil, nil}, {make([]byte, 64), nil, make([]byte, 63)}, {make([]byte, 63), make([]byte, 63), nil}} {
		if err := c.encode(shards); err == nil {
			t.Errorf("encode of %d shards: no error", len(shards))
		}
	}
}

func TestCodesAreBounded(t *testing.T) {
	c := codes{format: LIP243}
	first, err := c.get(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := 2; i < 100; i++ {
		if _, err := c.get(i, 1); err != nil {
			t.Fatal(err)
		}
		if again, err := c.get(1, 1); err != nil || again != first {
			t.Fatalf("the code in use was forgotten: %v", err)
		}
	}
	if len(c.recent) != maxCodes {
		t.Errorf("%d codes, want %d", len(c.recent), maxCodes)
	}
}
