//go:build race

package causeway

const raceEnabled = true
