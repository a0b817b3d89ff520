package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
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
	order  order
	stores map[causeway.ParticipantID]store.Store

	mu  sync.Mutex
	out *json.Encoder
}

func runChild(orders string) {
	p := &process{out: json.NewEncoder(os.Stdout), stores: map[causeway.ParticipantID]store.Store{}}
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

// holds tells whether a person has a message, by the file of its store.
func (p *process) holds(person causeway.PersonID, id causeway.MessageID) bool {
	s := p.stores[causeway.ParticipantID(person)]
	return s != nil && holds(s, id)
}

func (p *process) run(ctx context.Context) error {
	var names []causeway.ParticipantID
	for name, path := range p.order.Paths {
		names = append(names, name)
		db, err := sqlite.Open(ctx, path)
		if err != nil {
			return err
		}
		if p.stores[name], err = store.OpenSQL(ctx, db, store.SQLOptions{}); err != nil {
			return err
		}
	}
	network, err := waku.New(ctx, waku.Options{Key: p.order.Key, Listen: p.order.Listen, Peers: p.order.Peers})
	if err != nil {
		return err
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: p.stores[child], Transport: network.Transport(), Observer: &referee{p, child, p.holds}})
	if err != nil {
		return err
	}
	cfg := configFor(names)
	cfg.Participant = child
	channel, err := node.Join(ctx, cfg)
	if err != nil {
		return err
	}
	p.tell(line{Addrs: network.Addrs()})
	_, newest, err := node.Cursors(ctx)
	if err != nil {
		return err
	}
	if p.order.Last {
		return p.settle(ctx, channel)
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

// settle waits until everybody has all own messages, and then for the end.
func (p *process) settle(ctx context.Context, channel *causeway.Channel) error {
	q := causeway.Log{ByPosition: true, Limit: 1000}
	for {
		page, err := channel.Messages(ctx, q)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			q.AfterPosition = m.Position
			if !m.Own {
				continue
			}
			if _, err := channel.Receipt(m.ID).WaitFor(ctx, causeway.SeenByAll); err != nil {
				return err
			}
		}
	}
	p.tell(line{Settled: true})
	select {}
}
