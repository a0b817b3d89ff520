package loopback

// chance is a sequence of even draws: splitmix64.
type chance uint64

// newChance returns the draws for the n-th packet that is addressed to a name:
// the same for the same arguments.
func newChance(seed uint64, name string, n uint64) chance {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	hash := uint64(offset)
	for i := range len(name) {
		hash = (hash ^ uint64(name[i])) * prime
	}
	return chance(mix(mix(mix(seed)+hash) + n))
}

// next returns a draw from [0, 1).
func (c *chance) next() float64 {
	*c += 0x9e3779b97f4a7c15
	return float64(mix(uint64(*c))>>11) / (1 << 53)
}

// mix scatters the bits of x: the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
