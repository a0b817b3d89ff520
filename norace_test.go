//go:build !race

package causeway

const raceEnabled = false
