package sds

import "time"

// Bounds (rule P13). Everything that a peer can make us keep has one of these.
const (
	// MaxContent is the largest content of one message: what nim-sds accepts.
	// Larger payloads are segmented above this package.
	MaxContent = 1 << 20
	// MaxLamport: values from here on are refused. JavaScript numbers end here,
	// and no honest clock gets there before the year 287,000.
	MaxLamport = 1 << 53
	// MaxParentsLIP, MaxParentsJS and MaxParentsNim cap the causal history that we
	// send, by dialect (rule P2).
	MaxParentsLIP = 20
	MaxParentsJS  = 200
	MaxParentsNim = 10
	// MaxBlocking is how many unknown parents a message waits for, newest first;
	// the others are listed as gaps. An inventor of parents can't block more.
	MaxBlocking = 32
	// MaxHolesPerSender and MaxHoles bound the messages that we wait for. Beyond
	// them messages are delivered with a gap instead of waiting.
	MaxHolesPerSender = 256
	MaxHoles          = 4096
	// MaxParkedBytes bounds the content of messages that wait; the oldest are
	// delivered with a gap to make room.
	MaxParkedBytes = 32 << 20
	// MaxHeads bounds the messages that nothing names yet; the oldest are no longer
	// named by us.
	MaxHeads = 512
	// MaxFar bounds messages in quarantine; the oldest are forgotten.
	MaxFar = 256
	// MaxHeldBytes bounds messages that wait for the host to answer a lookup.
	MaxHeldBytes = 8 << 20
	// MaxOutgoing bounds messages whose acknowledgements are tracked. Send fails
	// when that many are known to nobody, unless Config.DropOldest says otherwise;
	// others make room oldest first.
	MaxOutgoing = 16384
	// MaxAnswers bounds repairs that wait for their time.
	MaxAnswers = 1024
	// freeAnswers is how often one message is repaired at full pace; after that the
	// time between two repairs of it doubles.
	freeAnswers = 4
	// MaxCatchUp is how many messages one request brings beside those that it
	// names: what its sender lacks of their history.
	MaxCatchUp = 16
	// MaxRequestIDs is how many missing messages one sync message asks for.
	// MaxRequestIDsLegacy is what deployed peers put into one message.
	MaxRequestIDs       = 32
	MaxRequestIDsLegacy = 3
	// MaxPeers bounds participants that we keep state for; members of the roster
	// always have a place.
	MaxPeers = 16384
	// maxIdlePeers is from how many peers on those are dropped of whom nothing is
	// known, where there is a roster.
	maxIdlePeers = 256
	// MaxMet bounds ids that count as met without a place in the log: syncs, and
	// messages below the join point or not for us.
	MaxMet = 4096
	// MaxHeld bounds messages that wait for the host to answer a lookup.
	MaxHeld = 1024
	// MaxNamedHoles is how many own holes a frontier acknowledgement may name.
	MaxNamedHoles = 8
	// recentSyncs is how many syncs are remembered, to know a second copy. Their ids
	// say what they are: no more is needed for them to count as met.
	recentSyncs = 64
	// maxInflight bounds the packets whose fate the host has not told.
	maxInflight = 1 << 16
	// DefaultWindow is Config.Window unless it is set.
	DefaultWindow = 10_000
	// MaxWalk bounds the messages looked at to compare one frontier.
	MaxWalk = 1024
	// maxPossible is how many outgoing messages one legacy filter is asked about.
	maxPossible = 256
	// maxUnnamed bounds the messages of others that a legacy history may repeat.
	maxUnnamed = 512
	// maxBases bounds the join points whose prefix sums are kept.
	maxBases = 64
	// maxSkippers bounds how many messages remember that they were delivered
	// without the same parent.
	maxSkippers = 64
	// maxGone is how many entries that mean nothing any more a queue may hold, beside
	// as many as mean something.
	maxGone = 16
	// maxRecentSenders is how many senders the plausible clock looks at.
	maxRecentSenders = 32
)

// Times of the protocol that do not depend on group size.
const (
	// ClockSkew is how far above everything plausible a LIP timestamp may be.
	ClockSkew = 60 * time.Second
	// maxPlaced: timestamps from here on never enter the log, whoever vouches for
	// them, so that a clock never comes to its end.
	maxPlaced = 1 << 52
	// oneWordLead is how far ahead a single other person may be: a year.
	oneWordLead = 365 * 24 * 3600 * 1000
	// maxTime bounds what a caller may call now: far beyond any clock, and safe to
	// add to.
	maxTime = 1 << 52
	// clockSlack is how far a message may be above one that it names: syncs in
	// between move the sender's clock.
	clockSlack = 64
	// nimLead is the same for nim, whose clocks mix seconds and milliseconds: a
	// number without a unit (rule P2).
	nimLead = 1_000_000
	// joinOverlap bounds how far the first message heard may move the join point
	// back: it corrects a joiner whose clock is ahead.
	joinOverlap = 10 * time.Minute
	// dutyPeriod is how often a member of a small group acknowledges at most,
	// unless asked (rule P10).
	dutyPeriod = 8 * time.Second
	// smallGroup is up to how many members everybody acknowledges.
	smallGroup = 32
	// askAfter is when a sender that wants more asks those that it did not hear.
	// In a large group a census asks first.
	askAfter, askLarge, askMax = 4 * time.Second, 15 * time.Second, 10 * time.Minute
	// askPresent bounds the wait while one of them was heard within presentFor.
	askPresent, presentFor = 30 * time.Second, 15 * time.Minute
	// coldAfter is how many requests for a message may go unanswered before it is
	// asked for rarely: nobody present seems to have it.
	coldAfter = 16
	// maxIgnore bounds the time between two repairs of one message.
	maxIgnore = 5 * time.Minute
	// askEvery is how often one participant makes us acknowledge, beside a burst of
	// askBurst: an answer is larger than the question, and everybody answers.
	askEvery, askBurst = time.Second, 32
	// calmSteps is after how many doublings a wait stays while others are there.
	calmSteps = 3
	// repairTalk is how long after a request for it a copy of a message is taken
	// for an answer to that request.
	repairTalk = 10 * time.Second
	// idlePeer is how long a peer of whom nothing is known is kept.
	idlePeer = time.Minute
	// nimAckPeriod is how often we send an ack-only message to nim peers.
	nimAckPeriod = time.Minute
)
