// Package legacy is the reliability number of the telemetry service that Status
// clients reported to until 2025, computed as that service did, so that it can be
// compared with the truth and with package estimate on the same reports. Do not use
// it for anything else: docs/telemetry-review.md says what is wrong with it.
//
// It is pure: no clock, no I/O.
package legacy

import (
	"maps"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Hour is the usual window of the service, in seconds.
const Hour = 3600

// Row is one record of its table of received messages. Times are Unix seconds.
type Row struct {
	Chat     string
	Receiver string // an account
	SentAt   int64  // by the author's clock
	Stored   int64  // when the service stored the record
}

// Result is what one run of the service stored.
type Result struct {
	// Chats has the reliability of each chat with rows that count.
	Chats map[string]float64
	// Global is the mean over the chats, whatever their size; without a chat it is 0,
	// and nothing was stored.
	Global float64
}

// key is one receiver in one chat.
type key struct{ chat, receiver string }

// Aggregate runs the service at now over what it has stored by then, for a window of
// so many seconds that ended that long ago.
//
// A row counts if it was sent in the window and its receiver has a row of the same
// chat that was stored before the window and one that was stored after it. Of a
// chat, with the counts of rows of each receiver, the reliability is
// 1 − Σ(max − count) / Σ count.
func Aggregate(rows []Row, now, window int64) Result {
	end := now - window
	begin := end - window
	before, after, count := map[key]bool{}, map[key]bool{}, map[key]int{}
	for _, r := range rows {
		if r.Stored > now {
			continue
		}
		k := key{r.Chat, r.Receiver}
		before[k] = before[k] || r.Stored < begin
		after[k] = after[k] || r.Stored > end
		if begin <= r.SentAt && r.SentAt <= end {
			count[k]++
		}
	}
	chats := map[string][]int{}
	for k, n := range count {
		if before[k] && after[k] {
			chats[k.chat] = append(chats[k.chat], n)
		}
	}
	out := Result{Chats: map[string]float64{}}
	for chat, counts := range chats {
		most, sum := slices.Max(counts), 0
		for _, n := range counts {
			sum += n
		}
		out.Chats[chat] = 1 - float64(most*len(counts)-sum)/float64(sum)
	}
	for _, chat := range slices.Sorted(maps.Keys(out.Chats)) {
		out.Global += out.Chats[chat] / float64(len(out.Chats))
	}
	return out
}

// Upload is a report, and when it arrived in Unix milliseconds.
type Upload struct {
	*report.Upload
	Arrived int64
}

// Rows returns the records that the service would have stored of these reports, had
// they been made for it: one for each received message of any sort, and one of each
// own message, which the client put into its own receive path before it was
// broadcast. The same report twice makes the rows twice, as it did there.
func Rows(uploads []Upload) []Row {
	type device struct{ install, channel string }
	accounts := map[device]string{}
	events := 0
	for _, u := range uploads {
		events += len(u.Events)
		for i := range u.Events {
			if e := &u.Events[i]; e.Kind == report.Membership || e.Kind == report.Composed {
				d := device{u.Install, e.Channel}
				accounts[d] = max(accounts[d], e.Member)
			}
		}
	}
	rows := make([]Row, 0, events)
	for _, u := range uploads {
		for i := range u.Events {
			e := &u.Events[i]
			if e.Kind != report.Received && e.Kind != report.Composed {
				continue
			}
			r := Row{Chat: e.Channel, Receiver: accounts[device{u.Install, e.Channel}], SentAt: e.Sent / 1000, Stored: u.Arrived / 1000}
			if r.Receiver == "" {
				r.Receiver = u.Install
			}
			if e.Sent == 0 {
				r.SentAt = e.At / 1000
			}
			rows = append(rows, r)
		}
	}
	return rows
}
