package wire

// Limits on what is written and read.
const (
	// MaxMessage bounds a serialised WakuMessage in bytes: what relays of the
	// network carry.
	MaxMessage = 150 << 10
	// MaxMeta bounds Message.Meta in bytes (14/WAKU2-MESSAGE).
	MaxMeta = 64
	// MaxTopic bounds a content or pubsub topic in bytes. The specifications name
	// no bound; known topics are below 100.
	MaxTopic = 1024
	// MaxContentTopics bounds the content topics of one filter or store request.
	MaxContentTopics = 100
	// MaxText bounds request ids and descriptions in bytes.
	MaxText = 1024
	// MaxShards bounds the shards of a metadata message: a cluster has 1,024.
	MaxShards = 1024
	// MaxRequest bounds a frame that carries one message and what goes with it, or
	// a request or answer without messages.
	MaxRequest = MaxMessage + 64<<10
)
