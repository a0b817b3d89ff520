// Package bloom implements the two bloom filters that deployed SDS peers put
// into their messages, bit for bit.
//
// SDS (LIP-109) says that a message carries a bloom filter of received ids. It
// says neither which hash nor which bit order nor which container, so the two
// implementations in the field cannot read each other's filters:
//
//	              Nim (nim-sds, Nim ≥ 2.2, 64 bit)    JS (@waku/sds)
//	hash          FarmHash Fingerprint64, as int64    MurmurHash3-32, as int32
//	hashed        the bytes of the id                 the UTF-16 units of the id
//	words         little-endian                       big-endian
//	container     protobuf: words, capacity,          the bare words; both sides
//	              error rate, k, number of bits       must know the parameters
//	when full     rolls over (see Rolling)            never: it fills up
//	              (ours slides: see Sliding)
//
// Both agree on the rest. With m bits and k hashes, the i-th bit of an id is
//
//	|A + i·B| mod m,   A = |h(id)| mod m,   B = |h(id + " b")| mod m,   i = 0 … k−1
//
// and bit b is bit b mod 64, counted from the least significant one, of 64-bit
// word b div 64. A Filter has one Kind for life, and a Kind fixes all rows of
// the table.
//
// # What a hit means
//
// "Possibly", and only for the member that sent the filter: false positives
// are the same at every member, because nothing is salted. See
// Filter.FalsePositiveRate, and rule P5.
//
// # Filters from the wire
//
// ParseNim and ParseJS take bytes that anybody may have made. The reference
// implementation can be made to divide by zero, to index outside its array and
// to loop for 2⁴⁰ hashes by a filter with the right numbers in it; here every
// number is checked against the limits in params.go before it is used. A parsed
// filter points into the bytes that it was parsed from: nothing is copied, and
// a lookup allocates nothing.
//
// # Sources
//
// nim-sds master 07491b2 and @waku/sds 0.0.8. The vectors in testdata were
// produced by them; the tests name the section of the vectors that they prove.
package bloom
