package sds

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

var update = flag.Bool("update", false, "write testdata/census.json anew")

// censusVectors are for other implementations: what a census is made of. Numbers
// are in hexadecimal, as JSON's have no 64 bits.
type censusVectors struct {
	ShortIDs []shortVector  `json:"short_ids"`
	Rosters  []rosterVector `json:"rosters"`
	Hashes   []hashVector   `json:"sample_hashes"`
	Samples  []sampleVector `json:"samples"`
	Censuses []censusVector `json:"censuses"`
}

type shortVector struct {
	Channel ChannelID `json:"channel"`
	ID      MessageID `json:"message_id"`
	Short   string    `json:"short_id"`
}

type rosterVector struct {
	Members map[ParticipantID]PersonID `json:"members"`
	Version string                     `json:"version"`
}

type hashVector struct {
	Seed    string   `json:"seed"`
	Version string   `json:"roster_version"`
	Person  PersonID `json:"person"`
	Hash    string   `json:"hash"`
}

// sampleVector is whom an asker asks in a group of "P1" … "Pn" and itself.
type sampleVector struct {
	N       int        `json:"n"`
	Size    int        `json:"size"`
	Seed    string     `json:"seed"`
	Version string     `json:"roster_version"`
	Limit   string     `json:"limit"`
	ByRank  []PersonID `json:"by_rank"`
}

type censusVector struct {
	Asks    bool     `json:"asks,omitempty"`
	Size    uint32   `json:"size,omitempty"`
	Spread  uint32   `json:"spread_ms,omitempty"`
	Roster  uint32   `json:"roster_version,omitempty"`
	Subject string   `json:"subject,omitempty"`
	Seed    string   `json:"seed,omitempty"`
	Map     string   `json:"map_hex,omitempty"`
	Reports []string `json:"reports,omitempty"`
	Hex     string   `json:"hex"`
}

func hex64(v uint64) string { return fmt.Sprintf("%016x", v) }

func makeCensusVectors() censusVectors {
	var v censusVectors
	for _, s := range []shortVector{{"", "", ""}, {"room", "c1aaaaaaaaaaaaaaaaaaaaaaaaaaa", ""}, {"r", "oomx", ""}, {"ro", "omx", ""}} {
		s.Short = hex64(ShortID(s.Channel, s.ID))
		v.ShortIDs = append(v.ShortIDs, s)
	}
	for _, m := range []map[ParticipantID]PersonID{{}, {"a": "A"}, {"b": "B", "a": "A"}, {"a/phone": "A", "a/desk": "A", "b": "B"}, {"aA": "", "b": "B"}} {
		v.Rosters = append(v.Rosters, rosterVector{m, fmt.Sprintf("%08x", newRosterTable(&Roster{Members: m}).version)})
	}
	for _, h := range []struct {
		seed    uint64
		version uint32
		person  PersonID
	}{{0, 0, ""}, {1, 0, "P1"}, {0, 1, "P1"}, {1 << 63, 1 << 31, "person with a long name, longer than the hash has bytes in one block of its function"}} {
		v.Hashes = append(v.Hashes, hashVector{hex64(h.seed), fmt.Sprintf("%08x", h.version), h.person, hex64(sampleHash(h.seed, h.version, h.person))})
	}
	for _, n := range []int{40, 200} {
		c := &Channel{persons: persons{base: rosterOf(n + 1).table}, table: rosterOf(n + 1).table}
		c.self = c.persons.of("ME")
		o := &outgoing{audience: c.newAudience(c.table.names, nil), census: &census{seed: 7}}
		c.drawSample(o)
		s := sampleVector{N: n, Size: pace.CensusSize, Seed: hex64(7), Version: fmt.Sprintf("%08x", c.table.version),
			Limit: hex64(pace.CensusLimit(pace.CensusSize, n))}
		for _, i := range o.census.order {
			s.ByRank = append(s.ByRank, c.persons.name(i))
		}
		v.Samples = append(v.Samples, s)
	}
	for _, x := range []wire.Census{
		{Asks: true, Size: 80, Spread: 2000, Roster: 0x01020304, Seed: 0x0102030405060708},
		{Asks: true, Size: 80, Spread: 2000, Roster: 1, Subject: 2, Seed: 3, Map: []byte{0b101, 0}},
		{Reports: []uint64{1, 1 << 63}},
	} {
		c := censusVector{Asks: x.Asks, Size: x.Size, Spread: x.Spread, Roster: x.Roster, Map: hex.EncodeToString(x.Map), Hex: hex.EncodeToString(x.Encode())}
		if x.Asks {
			c.Subject, c.Seed = hex64(x.Subject), hex64(x.Seed)
		}
		for _, r := range x.Reports {
			c.Reports = append(c.Reports, hex64(r))
		}
		v.Censuses = append(v.Censuses, c)
	}
	return v
}

// spec R120 R121 R128: testdata/census.json is what package sds makes. To write it
// anew, which breaks all who run the code of today:
//
//	go test ./sds -run TestCensusVectors -update
func TestCensusVectors(t *testing.T) {
	const file = "testdata/census.json"
	got := makeCensusVectors()
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want censusVectors
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("made %+v\nwant %+v", got, want)
	}
}

// spec R121: a hash is what its text says, and a sample those below the limit.
func TestSampleHash(t *testing.T) {
	for seed := range uint64(50) {
		version, person := uint32(seed*0x9e3779b9), PersonID(fmt.Sprint("person ", seed))
		if got, want := sampleHash(seed<<40, version, person), hashOf(seed<<40, version, person); got != want {
			t.Errorf("hash of %q is %x, want %x", person, got, want)
		}
	}
	for _, s := range makeCensusVectors().Samples {
		r := rosterOf(s.N + 1)
		if want := sampleOf(r, "me", 7, r.table.version, pace.CensusSize); !reflect.DeepEqual(s.ByRank, want) {
			t.Errorf("of %d are asked %v, want %v", s.N, s.ByRank, want)
		}
	}
}

// spec R120: the version of a roster is that of what it says: who is who.
func TestRosterVersion(t *testing.T) {
	version := func(m map[ParticipantID]PersonID) uint32 { return newRosterTable(&Roster{Members: m}).version }
	base := version(map[ParticipantID]PersonID{"a": "A", "b": "B"})
	if version(map[ParticipantID]PersonID{"b": "B", "a": "A"}) != base || newRosterTable(&Roster{Members: map[ParticipantID]PersonID{"a": "A", "b": "B"}, Stewards: []PersonID{"A"}}).version != base {
		t.Error("the same members give another version")
	}
	for _, m := range []map[ParticipantID]PersonID{{"a": "A"}, {"a": "B", "b": "A"}, {"aA": "", "b": "B"}, {"a": "A", "b": "B", "c": "B"}} {
		if version(m) == base {
			t.Errorf("%v has the version of another roster", m)
		}
	}
}
