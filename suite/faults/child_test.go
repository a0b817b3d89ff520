package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
)

// orderVar is the variable of the environment that makes the test binary a child:
// it holds an order.
const orderVar = "CAUSEWAY_FAULTS_ORDER"

// child is the member that lives in processes of its own.
const child causeway.ParticipantID = "carol"

// order is what the child is to do.
type order struct {
	Key    []byte
	Listen []string
	Peers  []string
	Paths  map[causeway.ParticipantID]string // of the databases of all
	// Last: it sends nothing new, and says when everybody has its messages.
	Last bool
}

// line is what the child says.
type line struct {
	Addrs   []string           `json:",omitempty"` // it is up
	Sent    causeway.MessageID `json:",omitempty"` // Send has returned
	Settled bool               `json:",omitempty"`
	Error   string             `json:",omitempty"`
}

// process is the child: it answers each message of others with one of its own.
type process struct {
	order order
	files files

	mu  sync.Mutex
	out *json.Encoder
}

func runChild(orders string) {
	p := &process{out: json.NewEncoder(os.Stdout)}
	go func() { // nobody is left to kill us
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	err := json.Unmarshal([]byte(orders), &p.order)
	if err == nil {
		err = p.run(context.Background())
	}
	p.Errorf("%v", err)
	os.Exit(1)
}

func (p *process) tell(x line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Encode(x)
}

// Errorf lets the referee complain.
func (p *process) Errorf(format string, args ...any) {
	p.tell(line{Error: fmt.Sprintf(format, args...)})
}

func (p *process) run(ctx context.Context) (err error) {
	if p.files, err = openFiles(ctx, p.order.Paths); err != nil {
		return err
	}
	network, err := waku.New(ctx, waku.Options{Key: p.order.Key, Listen: p.order.Listen, Peers: p.order.Peers})
	if err != nil {
		return err
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: p.files[child], Transport: network.Transport(), Observer: &referee{p, child, p.files.holds}})
	if err != nil {
		return err
	}
	cfg := configFor(slices.Collect(maps.Keys(p.order.Paths)))
	cfg.Participant = child
	channel, err := node.Join(ctx, cfg)
	if err != nil {
		return err
	}
	_, newest, err := node.Cursors(ctx) // before anybody knows that it is up, and speaks to it
	if err != nil {
		return err
	}
	p.tell(line{Addrs: network.Addrs()})
	if p.order.Last {
		if _, err := seenByAll(ctx, channel); err != nil {
			return err
		}
		p.tell(line{Settled: true})
		select {}
	}
	for e, err := range channel.Events(ctx, newest) {
		if err != nil {
			return err
		}
		if e.Kind != causeway.EventDelivered || e.Message.Own {
			continue
		}
		r, err := channel.Send(ctx, fmt.Appendf(nil, "%s has %s", child, e.ID), causeway.SendOptions{Want: causeway.Everyone})
		if err != nil {
			return err
		}
		p.tell(line{Sent: r.ID()})
	}
	return nil
}

// seenByAll waits until everybody has all own messages, and counts them.
func seenByAll(ctx context.Context, channel *causeway.Channel) (own int, err error) {
	q := causeway.Log{ByPosition: true, Limit: 1000}
	for {
		page, _, err := channel.Messages(ctx, q)
		if err != nil || len(page) == 0 {
			return own, err
		}
		for _, m := range page {
			q.AfterPosition = m.Position
			if !m.Own {
				continue
			}
			if _, err := channel.Receipt(m.ID).WaitFor(ctx, causeway.SeenByAll); err != nil {
				return own, err
			}
			own++
		}
	}
}

// files are the databases of all members, which a child can look into.
type files map[causeway.ParticipantID]store.Store

func openFiles(ctx context.Context, paths map[causeway.ParticipantID]string) (files, error) {
	all := files{}
	for name, path := range paths {
		db, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		if all[name], err = store.OpenSQL(ctx, db, store.SQLOptions{}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// holds tells whether a person has a message, by the file of its store.
func (f files) holds(person causeway.PersonID, id causeway.MessageID) bool {
	s := f[causeway.ParticipantID(person)]
	return s != nil && holds(s, id)
}
