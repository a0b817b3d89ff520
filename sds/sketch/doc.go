// Package sketch finds out which messages one member has and another lacks, at
// a cost that follows the number of differences and not the number of messages:
// rateless set sketches (RIBLT: Yang, Gilad, Alizadeh, "Practical Rateless Set
// Reconciliation", SIGCOMM 2024) over keyed short ids, for the digest of rule P9.
//
// A member that saw a fingerprint mismatch adds the ids of a Lamport range to a
// Sketch and broadcasts its Digest. Every listener adds its own ids of the same
// range to a sketch of its own, subtracts, and reads off the short ids that only
// one of the two has. One broadcast serves all listeners, whatever each lacks.
//
//	d, err := sketch.Parse(extension.Digest)
//	if err != nil || !d.CanDecode(log.Count(d.From, d.To)) {
//		return // not worth the hashing
//	}
//	local, err := sketch.New(secret, d.From, d.To, len(d.Symbols))
//	for id := range log.Range(d.From, d.To) {
//		local.Add(id)
//	}
//	onlyTheirs, onlyOurs, complete := local.Decode(d)
//
// # The code
//
// Everything is integer arithmetic, so that all platforms and a second
// implementation agree bit by bit; testdata/vectors.json holds examples. ∥ joins
// bytes, |x| is a length, be and le are byte orders with their width in bits.
//
//	material   SHA-256("causeway/digest/1" ∥ be32 |secret| ∥ secret ∥ be64 from ∥ be64 to)
//	short id   s = SipHash-2-4(first half of material, id)
//	hash       h = SipHash-2-4(second half of material, le64 s)
//	check      h mod 2³²
//
// An id takes part in coded symbol 0, and if it takes part in symbol i, the next
// one it takes part in is the first j > i with
//
//	u·(j+2)² ≥ 2³²·(i+2)²
//
// where u is the upper half of the next output of SplitMix64 started with h (one
// output for each step; the first is mix(h + 0x9e3779b97f4a7c15)). With u = 0
// there is no next one. So symbols i+1 … j are all skipped with a chance of
// (i+2)²/(j+2)², to within 2⁻³², which is ∏ (1 − ρ(k)) over them for
//
//	ρ(k) = 1 − ((k+1)/(k+2))²,  ρ(0) = 1
//
// the share of ids in symbol k. It tends to 2/k like the paper's 1/(1 + k/2). The
// paper's is denser at the start, and decodes less often with as few symbols as
// here (d = 20 of m = 32, below: 57 %). An id takes part in 5.8 of 32 symbols.
//
// A symbol is the XOR of the short ids in it, the XOR of their checks, and their
// number modulo 256. Symbols of two sets subtract member by member. A symbol of a
// difference that holds one id shows it: its number is ±1, the check of its sum
// fits, and the sum takes part in it. That id is taken out of all its symbols,
// which leaves others with one, and so on.
//
// One byte is enough for the number although symbol 0 counts up to 1,000
// messages: only differences are ever looked at, m symbols cannot yield more than
// m ≤ 64 ids, and a number can be mistaken for ±1 only if 255 ids differ.
//
// # How many symbols
//
// The chance that m symbols decode d differences, both sides together
// (TestDecodeOdds prints it for 3,000 keys, and checks it to 2 points):
//
//	m = 16, 220 B   d =  5: 97 %   8: 82 %
//	m = 24, 324 B   d =  8: 97 %  12: 86 %
//	m = 32, 428 B   d = 12: 97 %  16: 89 %  20: 60 %
//	m = 64, 844 B   d = 32: 97 %
//
// Symbols do not depend on m: the first 16 of 32 are those that would have been
// sent alone, so a sketch of 64 gives every shorter digest.
//
// # Who can do harm
//
// Without the channel secret nobody can make ids that share symbols or collide,
// or even tell from symbols whether a message is in them. A member knows the secret, and
// can search for ids that defeat one range; another range has another key, so
// the answer to a digest that does not decode is a longer one or another range.
// A member can also write a digest that lies. It gets at most m short ids out of
// that, each of which is asked for in vain, or the digest contradicts itself and
// yields nothing. Parse allocates at most 1 kB and Decode 3 kB; peeling looks at no
// more than m + m² symbols. What costs is adding the local ids, some 0.1 ms for
// 1,000: callers bound how often they do that.
package sketch
