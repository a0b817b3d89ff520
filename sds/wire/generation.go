package wire

import "math"

// Generation is a version of nim-sds whose rules of reading are known byte by
// byte. There are four in the field:
//
//	A  until January 2026   causal history holds plain ids
//	B  January 2026         causal history holds sub-messages
//	C  since May 2026       sender id and repair request added (master 07491b2)
//	D  release/v0.4         empty fields are left out (b5d1364)
//
// A peer is never asked for its generation: Decode reads all four. GenerationC
// and GenerationD answer the question whether that peer would read a message.
type Generation uint8

const (
	// AnyGeneration reads what any generation writes, and all that generation C
	// or D reads. Only fields 1 and 4 must be present. A causal history entry of
	// 1 to MaxPlainID printable ASCII bytes is a plain id (generation A): since
	// the tag of an entry's id is not printable, nothing can be read both ways.
	// Entries of a repair request are never plain, because generation A had none.
	AnyGeneration Generation = iota
	// GenerationC has the rules of nim-sds master: fields 1, 2, 4 and 5 must be
	// present, varints must not be longer than they need be. A Lamport timestamp
	// from 2^63 up, which ends the reference's process, is an error.
	GenerationC
	// GenerationD has the rules of release/v0.4: message, channel and entry ids
	// must not be empty, everything else may be absent. It reads a Lamport
	// timestamp from 2^63 up as negative; here it stays a uint64.
	GenerationD
)

// String returns "any", "c", "d" or "unknown".
func (g Generation) String() string {
	switch g {
	case AnyGeneration:
		return "any"
	case GenerationC:
		return "c"
	case GenerationD:
		return "d"
	}
	return "unknown"
}

// Decode reads b as a nim message by the rules of g, whatever DetectDialect
// says of it. An unknown generation reads like AnyGeneration. Byte slices alias
// b: see Decode.
func (g Generation) Decode(b []byte) (Message, error) {
	o, e := survey(b)
	if e != nil {
		e.Name = "" // it was a guess at the dialect
		return Message{}, nimLayout.at(nimLayout.member(uint64(e.Field)), e)
	}
	switch g {
	case GenerationC:
		return decode(b, &o, &rulesC)
	case GenerationD:
		return decode(b, &o, &rulesD)
	}
	return decode(b, &o, &rulesAny)
}

// rules are the points in which the dialects and generations differ in what
// they accept.
type rules struct {
	layout *layout

	minimalVarints bool // over-long varints are errors
	anyNumber      bool // field numbers 0 and above 2^29-1 are unknown fields
	skipWrongType  bool // a known field of another wire type is an unknown field
	plainIDs       bool // causal history may hold plain ids
	needsEntryID   bool // an entry has a message id
	emptyIDs       bool // message, channel and entry ids may be empty
	needsKind      bool // a message has a kind
	maxLamport     uint64
	required       set // members that must be present
}

var (
	rulesLIP = rules{
		layout:     lipLayout,
		emptyIDs:   true,
		needsKind:  true,
		maxLamport: math.MaxUint64,
	}
	rulesAny = rules{
		layout:        nimLayout,
		anyNumber:     true,
		skipWrongType: true,
		plainIDs:      true,
		needsEntryID:  true,
		emptyIDs:      true,
		maxLamport:    math.MaxUint64,
		required:      1<<messageID | 1<<channelID,
	}
	rulesC = rules{
		layout:         nimLayout,
		minimalVarints: true,
		anyNumber:      true,
		skipWrongType:  true,
		needsEntryID:   true,
		emptyIDs:       true,
		maxLamport:     math.MaxInt64,
		required:       1<<messageID | 1<<lamport | 1<<channelID | 1<<content,
	}
	rulesD = rules{
		layout:        nimLayout,
		skipWrongType: true,
		needsEntryID:  true,
		maxLamport:    math.MaxUint64,
		required:      1<<messageID | 1<<channelID,
	}
)
