package telemetry_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
	"github.com/causeway-im/causeway/transport/loopback"
)

// printing is a collector that prints what it is told about messages, but for how often
// they were sent. What is told again, since an answer did not arrive, counts once.
func printing() *httptest.Server {
	var mu sync.Mutex
	known := uint64(0)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u report.Upload
		body, err := gzip.NewReader(r.Body)
		if err == nil {
			err = json.NewDecoder(body).Decode(&u)
		}
		if err != nil { // who closes breaks off what is under way, and sends it again
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range u.Events {
			if e.Seq > known && e.Message != "" && e.Kind != report.Attempted && e.Kind != report.Resent {
				fmt.Println(u.Device.Protocol, e.Kind, e.Size)
			}
			known = max(known, e.Seq)
		}
		json.NewEncoder(w).Encode(report.Reply{Acknowledged: u.Last})
	}))
}

// A node's telemetry is its Observer, and keeps its journal in the node's store.
func Example() {
	collector := printing()
	defer collector.Close()
	network, _ := loopback.New(loopback.Options{})
	endpoint, _ := network.Attach("alice")
	ctx, db := context.Background(), store.NewMemory() // or store.OpenSQL

	t, err := telemetry.New(ctx, telemetry.Options{Journal: db, Collector: collector.URL, Consent: 1, // the user has agreed
		Device: report.Device{App: "2.31", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway"}})
	if err != nil {
		log.Fatal(err)
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: db, Transport: endpoint, Observer: t})
	if err != nil {
		log.Fatal(err)
	}
	stop := t.Follow(node.Metrics)
	err = t.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte("what all its members know"), Topic: "/tea/1/chat/proto"})
	if err != nil {
		log.Fatal(err)
	}
	channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := channel.Send(ctx, []byte("who wants tea?"), causeway.SendOptions{}); err != nil {
		log.Fatal(err)
	}
	handed := channel.Events(ctx, 0)
	for e := range handed {
		if e.Kind == causeway.EventReceipt && e.Receipt.Level >= causeway.Sent {
			break
		}
	}
	node.Close()
	stop()
	closing, cancel := context.WithTimeout(ctx, time.Minute) // how long it may try to upload
	defer cancel()
	t.Close(closing)
	// Output:
	// causeway composed 14
	// causeway handed 0
}

// A host without our node reports itself, here one that uses no reliability
// protocol at all.
func Example_withoutNode() {
	collector := printing()
	defer collector.Close()
	ctx := context.Background()
	t, err := telemetry.New(ctx, telemetry.Options{Journal: store.NewMemory(), Collector: collector.URL, Consent: 1,
		Device: report.Device{App: "2.31", Platform: report.IOS, Mode: report.Light, Protocol: "none"}})
	if err != nil {
		log.Fatal(err)
	}
	err = t.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte("what all its members know"), Topic: "0x9c22ff5f", Member: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	t.Presence(report.Online)
	t.Membership("tea", true, 12)
	sent := telemetry.Message{Channel: "tea", ID: "0x01"}
	t.Composed(sent, 14)
	t.Attempted(sent)
	t.Handed(sent, "0xe1")
	t.Stored(sent, telemetry.Yes)
	t.Received(telemetry.Message{Channel: "tea", ID: "0x02"}, telemetry.Arrival{Author: "bob", Path: report.ByFilter, Size: 9, Sent: time.Now()})
	closing, cancel := context.WithTimeout(ctx, time.Minute) // how long it may try to upload
	defer cancel()
	t.Close(closing)
	// Output:
	// none composed 14
	// none handed 0
	// none stored 0
	// none received 9
}
