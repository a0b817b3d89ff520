package estimate

import (
	"fmt"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Limits of one upload. A collector checks more; these keep the memory of Facts in
// proportion to what it is fed.
const (
	maxEpochs  = 1000  // journals of one installation
	maxRanges  = 10000 // ranges of given-up numbers in one upload
	maxStrings = 4096  // bytes of one string
)

// Facts are what uploads say, collected in any order: the same uploads give the
// same estimates. An event counts once, by its installation, epoch and number: of
// two that have the same, the one that came first.
//
// The zero value is ready to use. Not safe for concurrent use.
type Facts struct {
	strings  interner
	installs map[string]*install
	order    []*install
	gaps     []span
}

// install is one installation of the application.
type install struct {
	name   int32
	epochs map[uint64]*epoch
}

// epoch is one journal of an installation.
type epoch struct {
	number   uint64
	got      numbers // events that are here
	held     numbers // events that the collector has, and that have nothing to do with this
	dropped  numbers // events that nobody has
	last     uint64  // the greatest number that is known to exist
	claims   []span  // covered, by the device's clock
	samples  []sample
	profiles []profile
	events   []event
	traffic  []traffic
	sorted   bool
}

// profile is what a device was like when it sent an upload.
type profile struct {
	sent int64
	of   report.Device
}

// sample is one look at a device's clock.
type sample struct {
	sent, arrived int64
	offset        int64 // by a time service
	asked         bool  // a time service was
}

// event is a report.Event in little memory. Strings are numbers.
type event struct {
	seq                      uint64
	at, sent                 int64
	channel, message, member int32
	topic, pubsub            int32
	audience, count          int32
	kind                     kind
	path                     path
	class                    class
	state                    state
	answer                   answer
	joined                   bool
}

// traffic is bytes of one class of packets.
type traffic struct {
	at      int64
	channel int32
	class   int32
	bytes   int64
}

// Add takes an upload that reached the collector at arrived, Unix milliseconds by
// the collector's clock. The error names the field that is wrong; then nothing of
// the upload counts.
func (f *Facts) Add(u *report.Upload, arrived int64) error {
	if err := checkUpload(u); err != nil {
		return err
	}
	in := f.install(u.Install)
	e := in.epochs[u.Epoch]
	if e == nil {
		if len(in.epochs) >= maxEpochs {
			return fmt.Errorf("estimate: epoch %d is the %dth of its install, must be at most %d", u.Epoch, len(in.epochs)+1, maxEpochs)
		}
		e = &epoch{number: u.Epoch}
		in.epochs[u.Epoch] = e
	}
	e.last = max(e.last, u.Last)
	for _, r := range u.Dropped {
		e.dropped.add(r.First, r.Last)
		e.last = max(e.last, r.Last)
	}
	e.claims = append(e.claims, u.Coverage...)
	if len(e.claims) > 256 {
		e.claims = union(e.claims)
	}
	s := sample{sent: u.Clock.Sent, arrived: arrived}
	if u.Clock.Offset != nil {
		s.offset, s.asked = *u.Clock.Offset, true
	}
	e.samples = append(e.samples, s)
	e.profiles = append(e.profiles, profile{u.Clock.Sent, u.Device})
	for i := range u.Events {
		f.event(e, &u.Events[i])
	}
	return nil
}

// Held says that the collector has these numbers of a journal although they are not
// fed: they are about other channels or other times. Without it they are missing,
// and the time around them counts as unknown.
func (f *Facts) Held(installation string, epochNumber uint64, r report.Range) {
	in := f.install(installation)
	if e := in.epochs[epochNumber]; e != nil {
		e.held.add(r.First, r.Last)
		return
	}
	e := &epoch{number: epochNumber}
	e.held.add(r.First, r.Last)
	in.epochs[epochNumber] = e
}

// Gap says that the collector itself was down from from to before to, by its own
// clock: the silence of devices then says nothing about them.
func (f *Facts) Gap(from, to int64) { f.gaps = append(f.gaps, span{From: from, To: to}) }

func (f *Facts) install(name string) *install {
	if f.installs == nil {
		f.installs = map[string]*install{}
	}
	in := f.installs[name]
	if in == nil {
		in = &install{name: f.strings.number(name), epochs: map[uint64]*epoch{}}
		f.installs[name] = in
		f.order = append(f.order, in)
	}
	return in
}

// event takes one event, unless it is here already.
func (f *Facts) event(e *epoch, r *report.Event) {
	if e.got.has(r.Seq) {
		return
	}
	e.got.add(r.Seq, r.Seq)
	e.last = max(e.last, r.Seq)
	k, known := kinds[r.Kind]
	if !known {
		return // of a newer schema
	}
	channel := f.strings.number(r.Channel)
	if k == traffics {
		for class, n := range r.Bytes {
			e.traffic = append(e.traffic, traffic{r.At, channel, f.strings.number(class), n})
		}
		return
	}
	e.sorted = false
	e.events = append(e.events, event{seq: r.Seq, at: r.At, sent: r.Sent, channel: channel,
		message: f.strings.number(r.Message), member: f.strings.number(r.Member),
		topic: f.strings.number(r.Topic), pubsub: f.strings.number(r.Pubsub),
		audience: int32(clamp(r.Audience)), count: int32(clamp(r.Count)),
		kind: k, path: paths[r.Path], class: classes[r.Class], state: states[r.State], answer: answers[r.Answer],
		joined: r.Joined})
}

func clamp(n int) int { return min(max(n, 0), 1<<30) }

func checkUpload(u *report.Upload) error {
	switch {
	case u == nil:
		return fmt.Errorf("estimate: upload is nil")
	case u.Schema < 1 || u.Schema > report.Version:
		return fmt.Errorf("estimate: schema is %d, must be from 1 to %d", u.Schema, report.Version)
	case u.Install == "" || len(u.Install) > maxStrings:
		return fmt.Errorf("estimate: install has %d bytes, must have from 1 to %d", len(u.Install), maxStrings)
	case len(u.Dropped) > maxRanges:
		return fmt.Errorf("estimate: dropped has %d ranges, must have at most %d", len(u.Dropped), maxRanges)
	case len(u.Events) > 0 && u.Last < u.First:
		return fmt.Errorf("estimate: last is %d, must not be before first, %d", u.Last, u.First)
	case implausible(u.Clock.Sent):
		return fmt.Errorf("estimate: clock.sent is %d, must be Unix milliseconds", u.Clock.Sent)
	}
	for i, s := range u.Coverage {
		if s.To < s.From || implausible(s.From) || implausible(s.To) {
			return fmt.Errorf("estimate: coverage[%d] is from %d to %d, must be in order and Unix milliseconds", i, s.From, s.To)
		}
	}
	for i := range u.Events {
		e := &u.Events[i]
		if e.Seq < u.First || e.Seq > u.Last {
			return fmt.Errorf("estimate: events[%d].seq is %d, must be from first to last, %d to %d", i, e.Seq, u.First, u.Last)
		}
		if implausible(e.At) || implausible(e.Sent) {
			return fmt.Errorf("estimate: events[%d] has the time %d and sent %d, must be Unix milliseconds", i, e.At, e.Sent)
		}
	}
	return nil
}

// implausible bounds times, to those before the year 2200.
func implausible(t int64) bool { return t < 0 || t > 7_258_118_400_000 }

// interner numbers strings. The zero value is ready to use; "" is 0.
type interner struct {
	numbers map[string]int32
	strings []string
}

func (in *interner) number(s string) int32 {
	if s == "" {
		return 0
	}
	if in.numbers == nil {
		in.numbers, in.strings = map[string]int32{}, []string{""}
	}
	n, ok := in.numbers[s]
	if !ok {
		n = int32(len(in.strings))
		in.strings = append(in.strings, s)
		in.numbers[s] = n
	}
	return n
}

func (in *interner) string(n int32) string {
	if n == 0 {
		return ""
	}
	return in.strings[n]
}

// later returns that of two strings which sorts last. Facts may contradict each
// other, and the choice must not depend on the order in which they came.
func (in *interner) later(a, b int32) int32 {
	if a == b || in.string(a) > in.string(b) {
		return a
	}
	return b
}
