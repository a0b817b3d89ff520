package town

import (
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
)

// TestWide: the same community on the deployed channel, with the deployed numbering,
// encryption of each chat inside the one channel, and status-go's segments outside.
// Who lacks a key is told so once for each message, and held up by none.
func TestWide(t *testing.T) {
	t.Parallel()
	began := time.Now()
	w := newTown(t, newPlan(0), true, 0.2) // of what is said between stirs, which is little
	w.run([]step{{"hello", w.stir}, {"talk", func() { w.talk(2) }}, {"toggle", w.toggle}, {"picture", w.picture}, {"gate", w.notForAll}, {"rest", w.settleWide}})
	for _, chat := range []string{lounge, vault, news} {
		w.compareLogs(chat)
	}
	w.forbiddenIsHidden()
	w.figures(began)
	w.checkTelemetry()
}

// stir lets every device say something that nobody loses, on the deployed channel:
// deployed members notice a loss when something names it, and say nothing by
// themselves.
func (w *town) stir() {
	w.t.Helper()
	if !w.wide {
		return
	}
	w.await("what was said to be on its way", func() bool {
		return !slices.ContainsFunc(w.all, func(s *said) bool {
			return !slices.ContainsFunc(w.devices, func(d *device) bool { return d != s.from && d.got(s.mid()) })
		})
	})
	defer w.calm.Store(w.calm.Swap(true))
	for _, d := range w.devices {
		s := d.chat(lounge, "and so on")
		w.arrived("what nobody loses", []*said{s})
	}
}

// notForAll: the vault's messages in a channel of all. What is named before it was
// handed over is named without a hint, by which others find out that it is not for
// them: they would wait for it as long as for anything (Profile.GapAfter).
func (w *town) notForAll() {
	w.t.Helper()
	w.calm.Store(true)
	defer w.calm.Store(false)
	mia, max, ben := w.device("mia", "laptop"), w.device("max", "desk"), w.device("ben", "desk")
	secrets := []*said{mia.chat(vault, "who is here?"), max.chat(vault, "I am"), mia.chat(vault, "good")}
	w.arrived("what is said in the vault, to be named", secrets)
	for _, s := range secrets {
		w.reach(s, causeway.Sent)
	}
	open := []*said{max.chat(lounge, "an open line after it"), ben.chat(lounge, "and one of somebody without the key")}
	w.stir()
	w.arrived("what is said beside it", open)
	w.await("ben to know that it is not for him", func() bool {
		ben.mu.Lock()
		defer ben.mu.Unlock()
		for _, s := range secrets {
			if states := ben.gaps[s.mid()]; len(states) == 0 || states[len(states)-1] != causeway.GapNotForMe {
				return false
			}
		}
		return true
	})
	ben.mu.Lock()
	defer ben.mu.Unlock()
	for _, s := range secrets {
		told := 0
		for _, state := range ben.gaps[s.mid()] {
			if state == causeway.GapNotForMe {
				told++
			}
		}
		if told != 1 || ben.delivered[s.mid()] != nil {
			w.t.Errorf("%q: ben went through %v", s.Text, ben.gaps[s.mid()])
		}
	}
}

// settleWide waits until all is everywhere and somebody else is known to have each
// message but the last ones, and checks what receipts say. There is no more certainty
// here than what members mention.
func (w *town) settleWide() {
	w.t.Helper()
	w.stir()
	counted := w.all
	w.stir() // it names what was said before
	w.arrived("everything everywhere", w.all)
	reached := 0
	for _, s := range counted {
		now, err := s.receipt().Now(w.within())
		check(w.t, err)
		if now.Superseded == "" {
			now = w.reach(s, causeway.Seen)
		}
		if now.Level >= causeway.Reached {
			reached++
		}
	}
	if reached == 0 || !slices.ContainsFunc(counted, func(s *said) bool { return s.Chat == vault && w.seen(s) > 0 }) {
		w.t.Errorf("%d of %d messages reached what was wanted", reached, len(counted))
	}
}
