package sketch

import "math/bits"

// places returns the coded symbols that an id takes part in as a set of bits,
// symbol i at bit i, for the first m ≤ MaxSymbols symbols. hash is Key.hash of
// its short id. The rule is in the package documentation.
func places(hash uint64, m int) (set uint64) {
	if m < 1 || m > MaxSymbols {
		return 0
	}
	end := square(m - 1)
	set = 1
	for i := 0; ; {
		hash += 0x9e3779b97f4a7c15
		u := mix(hash) >> 32
		bar := square(i) << 32
		if u*end < bar {
			return set // the next one, if any, is not among the first m
		}
		i = int(firstWith[(bar+u-1)/u])
		set |= 1 << i
	}
}

// square returns (i+2)².
func square(i int) uint64 { return uint64(i+2) * uint64(i+2) }

// firstWith[n] is the first i with square(i) ≥ n: a square root in a table.
var firstWith = func() (table [(MaxSymbols+1)*(MaxSymbols+1) + 1]uint8) {
	for n, i := 0, 0; n < len(table); n++ {
		if square(i) < uint64(n) {
			i++
		}
		table[n] = uint8(i)
	}
	return table
}()

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// next takes the first symbol out of a set of places that is not empty.
func next(set uint64) (i int, rest uint64) {
	return bits.TrailingZeros64(set), set & (set - 1)
}
