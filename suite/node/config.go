package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	crand "crypto/rand"

	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// Config is how a node takes part. Data is required, and Channel or REST.
type Config struct {
	Data    string // folder of everything that is kept
	Name    string // participant id; by default one that is made once and kept
	Channel string
	Topic   string // content topic; by default DefaultTopic of the channel
	Roster  string // file; without one, whoever is heard is a member

	Listen       string   // multiaddr; by default a port of 127.0.0.1 that is kept
	Peers        []string // multiaddrs that end in /p2p/…, like those below
	Light        bool     // a light node, through ServiceNodes
	ServiceNodes []string
	StoreNodes   []string
	ServeStore   bool
	ServeLight   bool
	Cluster      uint16 // 0 is waku.DefaultCluster
	Shard        uint16

	Telemetry Telemetry // off without a collector

	Loss float64 // the share of received messages that is dropped, for tests
	JSON bool    // print JSON lines

	REST      string // address of the API, or unix: and a path; "" for none
	RESTToken string // what its users have to present
	Faults    bool   // let them break things
	FaultSeed uint64 // of what is broken by chance
	Quota     string // packets/window, such as 100/10m; "" for no limit
	Version   string // what the API says
}

// DefaultTopic returns the content topic of a channel if nobody says.
func DefaultTopic(channel string) string { return "/causeway/1/" + channel + "/proto" }

// topic returns the content topic.
func (c *Config) topic() transport.Topic {
	return transport.Topic(cmp.Or(c.Topic, DefaultTopic(c.Channel)))
}

// cluster returns the number of the network.
func (c *Config) cluster() uint16 { return cmp.Or(c.Cluster, waku.DefaultCluster) }

// DefaultChannel is where a node is if nobody says.
const DefaultChannel = "general"

// Check returns what is wrong with c, in the words of the command line.
func (c *Config) Check() error {
	switch {
	case c.Data == "":
		return errors.New("--data must name a folder")
	case c.Channel == "" && c.REST == "":
		return errors.New("--channel must not be empty")
	case c.Topic == "" && strings.ContainsAny(c.Channel, "/ "):
		return errors.New("--channel with / or space needs --topic")
	case c.Light && len(c.ServiceNodes) == 0:
		return errors.New("--light needs --service")
	case !c.Light && len(c.ServiceNodes) > 0:
		return errors.New("--service is for --light")
	case c.Light && (c.ServeStore || c.ServeLight):
		return errors.New("--light can't be combined with --serve-store or --serve-light")
	case c.Light && c.Listen != "":
		return errors.New("--listen can't be combined with --light, which does not listen")
	}
	if c.Listen != "" {
		if _, err := ma.NewMultiaddr(c.Listen); err != nil {
			return fmt.Errorf("--listen must be a multiaddr such as %s: %w", anyPort, err)
		}
	}
	for _, list := range []struct {
		flag  string
		addrs []string
	}{{"--peer", c.Peers}, {"--service", c.ServiceNodes}, {"--store-node", c.StoreNodes}} {
		for _, addr := range list.addrs {
			if _, err := storenode.ParseStores(addr); err != nil {
				return fmt.Errorf("%s must be a multiaddr that ends in /p2p/ and a peer id, and is %q", list.flag, addr)
			}
		}
	}
	if err := c.Telemetry.check(); err != nil {
		return err
	}
	return c.checkREST()
}

// Files of the data folder.
const (
	databaseFile = "causeway.db"
	storeFile    = "store.db" // of --serve-store
	keyFile      = "node.key"
	nameFile     = "name"
	listenFile   = "listen"
	consentFile  = "telemetry" // the version of Consent that was shown
)

const anyPort = "/ip4/127.0.0.1/tcp/0"

func (c *Config) file(name string) string { return filepath.Join(c.Data, name) }

// kept returns what a file of the data folder has, "" if there is none.
func (c *Config) kept(name string) (string, error) {
	b, err := os.ReadFile(c.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

func (c *Config) keep(name, content string) error {
	return os.WriteFile(c.file(name), []byte(content+"\n"), 0o600)
}

// participant returns who the node is. A data folder is of one participant for
// ever: two in turns would use each other's sequence numbers.
func (c *Config) participant() (causeway.ParticipantID, error) {
	kept, err := c.kept(nameFile)
	if err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	switch {
	case kept == "" && c.Name == "":
		var b [3]byte
		crand.Read(b[:])
		c.Name = "guest-" + hex.EncodeToString(b[:])
	case kept != "" && c.Name != "" && c.Name != kept:
		return "", fmt.Errorf("--data %s belongs to %q, not to %q", c.Data, kept, c.Name)
	case kept != "":
		return causeway.ParticipantID(kept), nil
	}
	if strings.TrimSpace(c.Name) != c.Name || strings.ContainsAny(c.Name, "\r\n") {
		return "", errors.New("--name must not begin or end with a space, nor have several lines")
	}
	if err := c.keep(nameFile, c.Name); err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	return causeway.ParticipantID(c.Name), nil
}

// rosterFile is how a roster is written.
type rosterFile struct {
	Members  map[causeway.ParticipantID]causeway.PersonID `json:"members"`
	Stewards []causeway.PersonID                          `json:"stewards"`
}

// roster reads the roster, nil without one.
func (c *Config) roster(self causeway.ParticipantID) (*causeway.Roster, error) {
	if c.Roster == "" {
		return nil, nil
	}
	f, err := os.Open(c.Roster)
	if err != nil {
		return nil, fmt.Errorf("--roster: %w", err)
	}
	defer f.Close()
	var r rosterFile
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("--roster: %s: %w", c.Roster, err)
	}
	if _, ok := r.Members[self]; !ok {
		return nil, fmt.Errorf("--roster: %s does not have %q, which is this node: see --name", c.Roster, self)
	}
	return &causeway.Roster{Members: r.Members, Stewards: r.Stewards}, nil
}

// listen returns the address to try first, and whether it is one that was kept.
func (c *Config) listen() (addr string, kept bool, err error) {
	if c.Listen != "" {
		return c.Listen, false, nil
	}
	addr, err = c.kept(listenFile)
	if addr == "" {
		return anyPort, false, err
	}
	return addr, true, err
}

// exposed tells whether an address can be reached from other machines.
func exposed(addr string) bool {
	a, err := ma.NewMultiaddr(addr)
	return err == nil && !manet.IsIPLoopback(a)
}

// options returns those of the Waku node, without Listen and Log.
func (c *Config) options() waku.Options {
	o := waku.Options{KeyFile: c.file(keyFile), Cluster: c.Cluster, Shards: []uint16{c.Shard}, Peers: c.Peers,
		ServiceNodes: c.ServiceNodes, StoreNodes: c.StoreNodes, ServeLightpush: c.ServeLight, ServeFilter: c.ServeLight}
	if c.Light {
		o.Mode = waku.Light
	}
	if c.Loss > 0 {
		o.Lose = func(*wire.Message) bool { return rand.Float64() < c.Loss }
	}
	if c.ServeStore {
		o.Store = c.openStore
	}
	return o
}

// retention is how long the store keeps messages.
const retention = 30 * 24 * time.Hour

// ownStore is a store server with its database.
type ownStore struct {
	*storenode.Server
	close func() error
}

func (s ownStore) Close() error { return errors.Join(s.Server.Close(), s.close()) }

func (c *Config) openStore(ctx context.Context, h host.Host) (waku.Store, error) {
	db, err := sqlite.Open(ctx, c.file(storeFile))
	if err != nil {
		return nil, err
	}
	server, err := storenode.NewServer(ctx, h, db, storenode.ServerOptions{Retention: retention})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return ownStore{server, db.Close}, nil
}
