package sketch

// The limits of a digest. Writing and reading enforce the same ones.
const (
	// MinSymbols decode five differences in 97 of 100 cases, in about 220 bytes:
	// fewer are not worth a packet.
	MinSymbols = 16

	// MaxSymbols bounds the allocation and the work for what a stranger sent.
	// 16 … 32 are usual; 64 decode 32 differences, and who has more is better off
	// with another way to catch up.
	MaxSymbols = 64

	// MaxMessages bounds the messages that a digest covers: every listener
	// hashes as many of its own.
	MaxMessages = 1000

	// MaxTo is the highest end of a range: no Lamport timestamp reaches 2⁵³.
	MaxTo = 1 << 53

	// MaxBytes is the length of the longest digest: from and the width of the
	// range in 8 bytes each at most, the number of messages in 2, the symbols.
	MaxBytes = 8 + 8 + 2 + MaxSymbols*symbolBytes
)

const symbolBytes = 8 + 4 + 1
