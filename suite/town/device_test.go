package town

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/segmented"
)

// roundTrip suits the loopback interface when the processor is busy.
const roundTrip = 150 * time.Millisecond

// device is an installation of somebody, which may live several times. Its methods are
// for the goroutine of the test, but for take, describe and loses.
type device struct {
	home
	w       *town
	seed    uint64
	options waku.Options // from the first life on with its key and address
	path    string       // of the database, or ""
	audit   store.Store  // reads what db writes, in and between all lives

	db       store.Store
	closeDB  func() error
	waku     *waku.Node
	node     *causeway.Node
	follower *community.Follower
	channels map[string]*causeway.Channel // by chat
	keys     keyring
	witness  *telemetry.Telemetry
	unhook   func()
	heard    chan []byte // descriptions
	deafened func()      // ends hearing them
	work     sync.WaitGroup
	earlier  causeway.Metrics // of all lives before

	deaf     atomic.Bool // hears nothing that is said in chats
	online   atomic.Bool // the node has been told so
	chanceMu sync.Mutex
	chance   *rand.Rand

	mu        sync.Mutex
	cursor    causeway.Cursor
	delivered map[causeway.MessageID]*causeway.Message
	gaps      map[causeway.MessageID][]causeway.GapState
	times     map[causeway.MessageID]time.Time // of delivery, which may wait for others
	arrivals  map[causeway.MessageID]time.Time // of what an application may show at once
	ephemeral []message
}

// prepare gives a device what outlives its lives.
func (d *device) prepare(seed uint64) {
	t := d.w.t
	t.Helper()
	d.seed, d.chance = d.w.seed+seed, rand.New(rand.NewPCG(d.w.seed, seed))
	d.times, d.arrivals = map[causeway.MessageID]time.Time{}, map[causeway.MessageID]time.Time{}
	d.delivered, d.gaps = map[causeway.MessageID]*causeway.Message{}, map[causeway.MessageID][]causeway.GapState{}
	var err error
	d.options.Key, err = waku.NewKey()
	check(t, err)
	d.follower, err = community.NewFollower(d.w.now)
	check(t, err)
	d.keys.fill(t, d.w, d.w.readable(d.w.now, d.person), 0)
	if !d.disk {
		d.db = store.NewMemory()
		d.audit = d.db
		return
	}
	d.path = filepath.Join(t.TempDir(), "device.db")
	var closeAudit func() error
	d.audit, closeAudit = d.openDB()
	t.Cleanup(func() { closeAudit() })
}

func (d *device) openDB() (store.Store, func() error) {
	d.w.t.Helper()
	db, err := sqlite.Open(d.w.t.Context(), d.path)
	check(d.w.t, err)
	s, err := store.OpenSQL(d.w.t.Context(), db, store.SQLOptions{})
	check(d.w.t, err)
	return s, db.Close
}

// connect starts the Waku node of a life.
func (d *device) connect() {
	t := d.w.t
	t.Helper()
	var err error
	if !d.light && d.options.Listen == nil {
		d.options.Listen = []string{freeport.Multiaddr(t)} // for all lives
	}
	d.waku, err = waku.New(t.Context(), d.options)
	check(t, err)
	t.Cleanup(d.stop)
	d.waku.WatchHealth(func(waku.Health) { d.w.poke() })
}

// connected tells whether the Waku node has all that it was told of.
func (d *device) connected() bool {
	h := d.waku.Health()
	for _, p := range h.Peers {
		if p.Configured && !p.Connected {
			return false
		}
	}
	if d.light {
		return h.Online && d.receivingFrom() == len(d.options.ServiceNodes)
	}
	return h.Online && h.Shards[0].Peers > 2 && h.Shards[1].Peers > 2
}

// receivingFrom is through how many service nodes a light device receives.
func (d *device) receivingFrom() (n int) {
	for _, p := range d.waku.Health().Peers {
		if p.Receiving {
			n++
		}
	}
	return n
}

// way is the network of a node, which tells when the node knows of its connection.
type way struct {
	*waku.Node
	d *device
}

// Watch implements transport.Transport.
func (v *way) Watch(changed func(online bool)) (cancel func()) {
	return v.Node.Watch(func(online bool) {
		changed(online)
		v.d.online.Store(online)
		v.d.w.poke()
	})
}

// open starts the node of a life: the newest description first, then all chats.
func (d *device) open() {
	t, ctx := d.w.t, d.w.t.Context()
	t.Helper()
	if d.disk {
		d.db, d.closeDB = d.openDB()
	}
	d.listen()
	var err error
	var network transport.Transport = &way{d.waku, d}
	if d.w.wide {
		network, err = segmented.New(network, segmented.Options{Config: segment.StatusConfig(150 << 10)})
		check(t, err)
	}
	judge := &referee{d, t.Errorf}
	var observer causeway.Observer = judge
	if d.telemetry {
		d.witness, err = telemetry.New(ctx, d.w.collect.options(d))
		check(t, err)
		observer = &watched{d.witness, judge}
	}
	d.node, err = causeway.Open(ctx, causeway.Options{Store: d.db, Transport: network, Observer: observer, Seed: d.seed})
	check(t, err)
	if d.telemetry {
		d.unhook = d.witness.Follow(d.node.Metrics)
	}
	d.channels = map[string]*causeway.Channel{}
	if d.w.wide {
		d.join(community.WholeCommunity)
	} else {
		for _, chat := range d.w.readable(d.w.now, d.person) {
			d.join(chat)
		}
	}
	node := d.node
	d.work.Go(func() { d.follow(node) })
}

// join takes part in a chat.
func (d *device) join(chat string) {
	t, ctx, now := d.w.t, d.w.t.Context(), d.w.now
	t.Helper()
	cfg := causeway.ChannelConfig{Channel: community.WideChannel(now.Community), Topic: community.UniversalTopic(now.Community).Transport(),
		Participant: community.Participant(d.person, d.installation), Profile: causeway.ProfileStatusGo, Sealer: wideLock{&d.keys}}
	var err error
	if chat != community.WholeCommunity {
		cfg.Channel, err = community.ChatChannel(now.Community, chat)
		check(t, err)
		cfg.Profile, cfg.Sealer, cfg.Secret = causeway.ProfileLIP, chatLock{&d.keys, chat}, d.w.secretOf(chat, 0)
	}
	cfg.Profile.RoundTrip = roundTrip
	cfg.Roster, err = d.follower.Roster(chat)
	check(t, err)
	cfg.Steward, err = now.IsSteward(chat, d.person, d.installation)
	check(t, err)
	if d.telemetry {
		check(t, d.witness.Describe(telemetry.Channel{ID: string(cfg.Channel), Community: now.Community.String(), Secret: []byte(telemetrySecret),
			Topic: string(cfg.Topic), Pubsub: community.ContentShard.String(), Member: string(d.person)}))
	}
	ch, err := d.node.Join(ctx, cfg)
	check(t, err)
	d.channels[chat] = ch
	check(t, d.follower.Follow(ctx, chat, ch))
}

// channel is where a chat is.
func (d *device) channel(chat string) *causeway.Channel {
	if d.w.wide {
		chat = community.WholeCommunity
	}
	return d.channels[chat]
}

// listen hears of descriptions, after it has fetched the newest.
func (d *device) listen() {
	t := d.w.t
	t.Helper()
	topic := community.DescriptionTopic(d.w.now.Community).Transport()
	heard := make(chan []byte, 16)
	stop, err := d.waku.Subscribe(topic, func(r transport.Received) {
		select {
		case heard <- r.Payload:
		default:
		}
	})
	check(t, err)
	d.heard, d.deafened = heard, stop
	page, err := d.waku.Query(d.w.within(), transport.Query{Topic: topic, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Minute), Limit: 1})
	check(t, err)
	for _, r := range page.Messages {
		d.describe(r.Payload)
	}
	d.work.Go(func() {
		for b := range heard {
			d.describe(b)
		}
	})
}

// describe takes a description over, with the keys that it gives a right to.
func (d *device) describe(b []byte) {
	var x community.Description
	if err := json.Unmarshal(b, &x); err != nil {
		d.w.t.Errorf("%s: description: %v", d.name(), err)
		return
	}
	d.keys.fill(d.w.t, d.w, d.w.readable(&x, d.person), len(x.Banned))
	if _, err := d.follower.Update(context.Background(), &x); err != nil && !errors.Is(err, causeway.ErrClosed) {
		d.w.t.Errorf("%s: description: %v", d.name(), err)
	}
	d.w.poke()
}

// stop ends a life.
func (d *device) stop() {
	if d.deafened != nil {
		d.deafened()
		close(d.heard)
	}
	if d.node != nil {
		add(&d.earlier, d.node.Metrics())
		d.node.Close()
	}
	for chat := range d.channels {
		d.follower.Unfollow(chat)
	}
	d.work.Wait()
	if d.unhook != nil {
		d.unhook()
		if err := d.witness.Close(context.Background()); err != nil {
			d.w.t.Errorf("%s: telemetry: %v", d.name(), err)
		}
	}
	if d.waku != nil {
		d.waku.Close()
	}
	if d.closeDB != nil {
		d.closeDB()
	}
	d.node, d.waku, d.closeDB, d.deafened, d.unhook = nil, nil, nil, nil, nil
}

// start begins another life, on the identity and the address of the one before.
func (d *device) start() {
	d.connect()
	d.w.await(d.name()+": the network", d.connected)
	d.open()
}

// setOnline cuts the device off, or connects it again, and waits until its node knows.
func (d *device) setOnline(online bool) {
	d.w.t.Helper()
	d.waku.SetOnline(online)
	d.w.await(d.name()+": to know of its connection", func() bool { return d.online.Load() == online })
}

// follow reads the events until the node is closed.
func (d *device) follow(node *causeway.Node) {
	for e, err := range node.Events(context.Background(), d.cursor) {
		if errors.Is(err, causeway.ErrClosed) {
			return
		}
		if err != nil {
			d.w.t.Errorf("%s: events: %v", d.name(), err)
			return
		}
		d.take(&e)
		d.w.poke()
	}
}

func (d *device) take(e *causeway.Event) {
	d.mu.Lock()
	d.cursor = e.Cursor
	switch e.Kind {
	case causeway.EventDelivered:
		if d.delivered[e.ID] != nil {
			d.w.t.Errorf("%s: %s was delivered twice", d.name(), e.ID)
		}
		kept := *e.Message
		d.delivered[e.ID], d.times[e.ID] = &kept, e.At
		d.arrived(e)
	case causeway.EventArrived:
		d.arrived(e)
		if m, err := parse(e.Message.Content); err == nil && e.Message.Ephemeral {
			d.ephemeral = append(d.ephemeral, m)
		}
	case causeway.EventGap:
		d.gaps[e.ID] = append(d.gaps[e.ID], e.Gap.State)
	case causeway.EventTampered:
		d.w.t.Errorf("%s: %d packets were tampered with", d.name(), e.Tampered)
	}
	d.mu.Unlock()
	d.w.note(d, e)
}

func (d *device) arrived(e *causeway.Event) {
	if _, before := d.arrivals[e.ID]; !before {
		d.arrivals[e.ID] = e.At
	}
}

// counts tells how many messages were delivered and how many gaps there were.
func (d *device) counts() [2]int { return [2]int{len(d.delivered), len(d.gaps)} }

// got tells whether a message was delivered.
func (d *device) got(id causeway.MessageID) bool { return d.message(id) != nil }

func (d *device) message(id causeway.MessageID) *causeway.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.delivered[id]
}
