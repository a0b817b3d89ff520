package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
	"github.com/causeway-im/causeway/transport/loopback"
)

// TestLostMessage: bob loses the first copy of a message, and his screen says so until
// it is back.
func TestLostMessage(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	network, err := loopback.New(loopback.Options{})
	check(t, err)
	defer network.Close()
	var line *loopback.Endpoint
	alice, err := enter(ctx, network, "alice-laptop", func(inner transport.Transport) transport.Transport {
		line = inner.(*loopback.Endpoint)
		line.SetOnline(false)
		return inner
	})
	check(t, err)
	bob, err := enter(ctx, network, "bob-phone", func(inner transport.Transport) transport.Transport {
		lossy, faulty := faults.Wrap(inner, faults.Options{})
		_, err := faulty.Add(faults.Rule{Action: faults.Drop, On: faults.Receive, Content: []byte("who wants tea?"), Next: 1})
		check(t, err)
		return lossy
	})
	check(t, err)
	shown, write := io.Pipe()
	bob.out = write
	go bob.follow(ctx)

	for _, text := range []string{"who wants tea?", "last chance"} {
		_, err := alice.channel.Send(ctx, []byte(text), causeway.SendOptions{})
		check(t, err)
	}
	line.SetOnline(true) // both leave together: no copy of the first comes in between
	lines := bufio.NewScanner(shown)
	for _, want := range []string{
		"(alice-laptop wrote something; 1 before it are missing)",
		"alice-laptop: who wants tea?",
		"alice-laptop: last chance",
		"(nothing is missing)",
	} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the screen shows %q, want %q", lines.Text(), want)
		}
	}
}

// TestGoesOn: whoever comes back is shown what is new, and of what was shown before at
// most the last again: between showing and keeping the cursor a program may end.
func TestGoesOn(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	network, err := loopback.New(loopback.Options{})
	check(t, err)
	defer network.Close()
	alice, err := enter(ctx, network, "alice-laptop", nil)
	check(t, err)
	watch := func(send ...string) (lines []string) {
		for _, text := range send {
			_, err := alice.channel.Send(ctx, []byte(text), causeway.SendOptions{})
			check(t, err)
		}
		shown, write := io.Pipe()
		alice.out = write
		following, leave := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- alice.follow(following) }()
		for scan := bufio.NewScanner(shown); scan.Scan(); {
			lines = append(lines, scan.Text())
			if scan.Text() == "alice-laptop: "+send[len(send)-1] {
				break
			}
		}
		leave()
		go io.Copy(io.Discard, shown)
		<-ended
		return lines
	}
	if lines := watch("one", "two"); !slices.Contains(lines, "alice-laptop: one") {
		t.Errorf("the screen shows %q", lines)
	}
	if lines := watch("three"); slices.Contains(lines, "alice-laptop: one") || !slices.Contains(lines, "alice-laptop: three") {
		t.Errorf("the screen shows %q", lines)
	}
}

func TestTicks(t *testing.T) {
	for want, now := range map[string]causeway.ReceiptNow{
		"… waits for the network":      {Of: 2},
		"· sent":                       {Level: causeway.Stored, Of: 2},
		"✓ 1 of 2 have it":             {Level: causeway.Reached, Seen: 1, Of: 2},
		"✓ 1 have it":                  {Level: causeway.Seen, Seen: 1},
		"✓✓ all have it":               {Level: causeway.SeenByAll, Seen: 2, Of: 2},
		"! nobody is known to have it": {Level: causeway.Sent, Of: 2, Undelivered: true},
	} {
		if got := ticks(&now); got != want {
			t.Errorf("%+v: %q, want %q", now, got, want)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
