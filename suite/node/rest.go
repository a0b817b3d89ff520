package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
)

// channelsFile has the channels that were joined through the API.
const channelsFile = "channels.json"

// service is the API of a node that runs.
type service struct {
	listener net.Listener // until it is served on
	faults   *rest.Faults // nil without --faults
	stop     context.CancelFunc
	done     chan error // Serve's result
}

// checkREST returns what is wrong with the flags of the API.
func (c *Config) checkREST() error {
	switch {
	case c.REST == "" && (c.RESTToken != "" || c.Faults):
		return errors.New("--rest-token and --faults need --rest")
	case c.RESTToken != "" && len(c.RESTToken) < rest.MinToken:
		return fmt.Errorf("--rest-token must have at least %d bytes", rest.MinToken)
	}
	if host, _, err := net.SplitHostPort(c.REST); c.REST != "" && !strings.HasPrefix(c.REST, "unix:") {
		if err != nil {
			return fmt.Errorf("--rest must be a host and a port such as 127.0.0.1:8645, or unix: and a path, and is %q", c.REST)
		}
		if ip := net.ParseIP(host); c.RESTToken == "" && (host == "" || ip != nil && !ip.IsLoopback()) {
			return fmt.Errorf("--rest %s can be reached by others than this machine: that needs --rest-token", c.REST)
		}
	}
	_, err := c.quota()
	return err
}

// quota reads Config.Quota.
func (c *Config) quota() (q causeway.Quota, err error) {
	if c.Quota == "" {
		return q, nil
	}
	packets, window, ok := strings.Cut(c.Quota, "/")
	if q.Packets, err = strconv.Atoi(packets); err == nil && ok {
		q.Window, err = time.ParseDuration(window)
	}
	if !ok || err != nil || q.Packets < 1 || q.Window < time.Second {
		return q, fmt.Errorf("--quota must be packets and a window of at least 1s, such as 100/10m, and is %q", c.Quota)
	}
	return q, nil
}

// carrier returns the transport and the clock of the node: with faults if they are
// allowed.
func (m *member) carrier() (transport.Transport, func() time.Time) {
	if !m.cfg.Faults {
		return m.waku.Transport(), nil
	}
	faulty, f := faults.Wrap(m.waku.Transport(), faults.Options{Seed: m.cfg.FaultSeed})
	m.service.faults = &rest.Faults{Transport: f, Clock: &faults.Clock{}}
	return faulty, m.service.faults.Clock.Now
}

// listenREST takes the address of the API. It comes before the store is opened: a node
// that is started a second time by mistake ends here, and the first goes on.
func (m *member) listenREST() (err error) {
	if m.cfg.REST == "" {
		return nil
	}
	if m.service.listener, err = rest.Listen(m.cfg.REST); err != nil {
		return fmt.Errorf("--rest: %w", err)
	}
	return nil
}

// openREST joins the channels of before and answers requests.
func (m *member) openREST(ctx context.Context, log *slog.Logger) error {
	c := &m.cfg
	if c.REST == "" {
		return nil
	}
	kept, err := readChannels(c.file(channelsFile))
	if err != nil {
		return err
	}
	for _, j := range kept.all() {
		cfg, err := j.Config()
		if err == nil && cfg.Channel != causeway.ChannelID(c.Channel) {
			_, err = m.node.Join(ctx, cfg)
		}
		if err != nil {
			return fmt.Errorf("%s: channel %s: %w", channelsFile, j.Channel, err)
		}
	}
	api, err := rest.New(m.node, rest.Options{Version: c.Version, Participant: m.self, Token: c.RESTToken, Keeper: kept, Configure: configure,
		Metrics: metricsOf(m.node), Peers: m.restPeers, Addresses: m.waku.Addrs, Faults: m.service.faults, Log: log})
	if err != nil {
		return err
	}
	l := m.service.listener
	m.service.listener = nil // Serve closes it
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.service.stop, m.service.done = stop, make(chan error, 1)
	go func() { m.service.done <- api.Serve(serving, l) }()
	url := "http://" + l.Addr().String()
	if strings.HasPrefix(c.REST, "unix:") {
		url = c.REST
	}
	m.out.tell(&restRecord{headOf("rest", time.Now()), url, c.Faults})
	return nil
}

// closeREST stops answering: what is in flight is finished before.
func (m *member) closeREST() error {
	if m.service.listener != nil {
		m.service.listener.Close()
		m.service.listener = nil
	}
	if m.service.stop == nil {
		return nil
	}
	m.service.stop()
	err := <-m.service.done
	m.service.stop = nil
	return err
}

// configure completes a channel that somebody joins.
func configure(cfg *causeway.ChannelConfig) error {
	if cfg.Topic == "" {
		if strings.ContainsAny(string(cfg.Channel), "/ ") {
			return errors.New("a channel with / or space needs one of its own")
		}
		cfg.Topic = transport.Topic(DefaultTopic(string(cfg.Channel)))
	}
	return nil
}

func (m *member) restPeers() []rest.Peer {
	peers := []rest.Peer{}
	for _, p := range m.waku.Health().Peers {
		e := newPeer(&p)
		peers = append(peers, rest.Peer{ID: e.ID, Connected: e.Connected, Configured: e.Configured, Speaks: e.Speaks, Error: e.Error})
	}
	return peers
}

// restRecord tells where the API is.
type restRecord struct {
	head
	URL    string `json:"url"`
	Faults bool   `json:"faults"`
}

func (r *restRecord) text() string {
	if strings.HasPrefix(r.URL, "unix:") {
		return "REST on " + r.URL
	}
	return "REST, and a page to watch, on " + r.URL
}

// channels are those that were joined through the API: a rest.Keeper on a file.
type channels struct {
	file string

	mu   sync.Mutex
	list []rest.Join
}

func readChannels(file string) (*channels, error) {
	c := &channels{file: file}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c.list)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func (c *channels) all() []rest.Join {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// Joined implements rest.Keeper.
func (c *channels) Joined(cfg causeway.ChannelConfig) error {
	return c.change(rest.Text(cfg.Channel), rest.JoinOf(cfg))
}

// Left implements rest.Keeper.
func (c *channels) Left(id causeway.ChannelID) error { return c.change(rest.Text(id)) }

// change writes the list with instead in the place of what it has of a channel.
func (c *channels) change(id rest.Text, instead ...rest.Join) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(c.list), func(j rest.Join) bool { return j.Channel == id })
	list = append(list, instead...)
	b, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		return err
	}
	if err := replace(c.file, b); err != nil {
		return err
	}
	c.list = list
	return nil
}

// replace writes a file such that a crash leaves the old one or the new one.
func replace(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
