package sds

import (
	"time"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway/sds"
)

const (
	// syncPeriod is the time between two OnPeriodicSync, as in nim-sds.
	syncPeriod = 30 * time.Second
	// retryAfter is the pause after the store failed a task.
	retryAfter = 5 * time.Second
)

// tasks is the goroutine that StartPeriodicTasks starts.
type tasks struct {
	running bool
	stop    chan struct{} // closed by Cleanup
	wake    chan struct{} // something is due earlier than it thinks
	next    sds.Time      // when it looks again
	sync    sds.Time      // when OnPeriodicSync is due
}

// StartPeriodicTasks starts the one goroutine that a manager has. From then on
// time alone has effects: OnPeriodicSync is called, what waits for a lost message
// is released after 30 seconds, and with an outgoing callback messages are
// resent, asked for and repaired. A second call does nothing.
func (rm *ReliabilityManager) StartPeriodicTasks() error {
	return rm.do("StartPeriodicTasks", func() error {
		t := &rm.tasks
		if t.running {
			return nil
		}
		t.running, t.sync = true, rm.now()
		t.stop, t.wake = make(chan struct{}), make(chan struct{}, 1)
		go rm.runTasks(t.stop, t.wake)
		return nil
	})
}

func (t *tasks) end() {
	if t.running {
		close(t.stop)
	}
}

// expect makes the tasks look at c in time.
func (t *tasks) expect(c *channel) {
	if !t.running {
		return
	}
	if at, ok := c.core.Deadline(); ok && at < t.next {
		t.next = at
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

func (rm *ReliabilityManager) runTasks(stop, wake <-chan struct{}) {
	defer func() {
		rm.mu.Lock()
		defer rm.mu.Unlock()
		rm.tasks.running = false
		rm.changed.Broadcast()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-wake:
		case <-timer.C:
		}
		wait, err := rm.runDue()
		if err != nil {
			return // cleaned up
		}
		timer.Reset(wait)
	}
}

// runDue does what is due and returns how long to wait then.
func (rm *ReliabilityManager) runDue() (wait time.Duration, err error) {
	err = rm.do("PeriodicTasks", func() error {
		t, now := &rm.tasks, rm.now()
		if t.sync <= now {
			rm.events.push(event{kind: eventSync})
			t.sync = now.Add(syncPeriod)
		}
		t.next = 0 // so that nobody wakes us meanwhile
		next := t.sync
		if rm.trouble.now(now) != nil {
			t.next = min(next, now.Add(retryAfter))
			return nil
		}
		for id := range rm.away {
			if _, err := rm.channel(id, false); err != nil {
				break
			}
		}
		for _, c := range rm.channels {
			if at, ok := c.core.Deadline(); ok && at <= now {
				c.core.Tick(now)
				if err := rm.settle(c); err != nil {
					rm.logger.Error("writing to the store", zap.String("channel", string(c.id)), zap.Error(err))
					next = min(next, now.Add(retryAfter))
					continue
				}
			}
			if at, ok := c.core.Deadline(); ok {
				next = min(next, at)
			}
		}
		t.next = next
		return nil
	})
	if err != nil {
		return 0, err
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return max(rm.tasks.next.Sub(rm.now()), 10*time.Millisecond), nil
}
