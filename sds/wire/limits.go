package wire

// The limits of what is read. Each is a defence against a sender who wants
// memory or time from everybody who listens to a channel; each is far above
// what a deployed peer writes. Writing is not checked: a message that breaks a
// limit is refused by whoever reads it.
const (
	// MaxMessage bounds a whole message. nim-sds sends at most 1 MiB of content,
	// transports carry less; 4 MiB leaves room for a bloom filter and history.
	MaxMessage = 4 << 20

	// MaxFields bounds the fields of a message, each entry and each repetition
	// counted. Reading a field takes some 20 ns whatever its size: without this
	// bound a 4 MiB message of two-byte fields that replace each other, which
	// no other limit touches, would take 70 ms. No encoder writes more than
	// MaxEntries and a dozen; the rest is for fields of later versions.
	MaxFields = 4096

	// MaxID bounds sender, message and channel ids. Deployed ids have 66 bytes
	// or fewer. Ids are copied and kept in maps for as long as a message counts,
	// so a long one would cost its length many times over.
	MaxID = 512

	// MaxHint bounds a retrieval hint. Deployed hints are 32-byte hashes; a hint
	// is kept with every open hole.
	MaxHint = 1 << 10

	// MaxEntries bounds causal history and repair request together. An empty
	// entry costs two bytes on the wire and 64 in memory: without this bound a
	// 4 MiB message would take 128 MiB. @waku/sds writes 200 entries.
	MaxEntries = 512

	// MaxEntryBytes bounds the sum of the encoded entries of causal history and
	// repair request, tags and lengths of the entries not counted. Every id in
	// them may become a hole that is tracked and asked for.
	MaxEntryBytes = 64 << 10

	// MaxBloomFilter bounds the bloom filter. The default filters have 18,752
	// bytes (LIP) and up to 22,520 (nim, after its first roll). Every outgoing
	// message is looked up in it.
	MaxBloomFilter = 128 << 10

	// MaxExtension bounds field 100. Our own never exceeds about 3 KiB: see the
	// limits of its members below.
	MaxExtension = 16 << 10

	// MaxUnknown bounds the sum of the fields that are kept although nobody
	// knows them. Later versions need some room; a sender must not be able to
	// have us store and repeat megabytes that mean nothing.
	MaxUnknown = 64 << 10

	// MaxPlainID bounds an id that stands in a nim causal history without a
	// sub-message around it (generation A). Those builds wrote hex ids of 66
	// bytes; a short bound keeps damaged entries from being taken for ids.
	MaxPlainID = 128
)

// The limits of the members of an Extension, in elements or bytes. They follow
// from the protocol: more would be useless to the reader, who allocates for
// each element.
const (
	// MaxHoles: beyond 8 holes no fingerprint is sent at all.
	MaxHoles = 8
	// MaxAsk: an ask names at most 32 members; to name nobody asks everybody.
	MaxAsk = 32
	// MaxWant: a round of the digest asks for at most 64 messages, so that one
	// request cannot cause a flood of answers.
	MaxWant = 64
	// MaxCensus is what a map of whom an asker heard may take, in bytes.
	MaxCensus = 64
	// MaxDigest holds 32 coded symbols with room to spare, in bytes.
	MaxDigest = 2 << 10
)
