package store

import (
	"github.com/causeway-im/causeway/sds"
)

// channelWriter writes what changes in one channel.
type channelWriter struct {
	*session
	id      sds.ChannelID
	num     int64
	persons *personWriter // made when the first person comes
	last    *audienceRow  // of the last record: those of one batch mostly share it
	given   audience      // the lists of that record
}

func (c *channelWriter) write(b *ChannelBatch) error {
	if m := b.Changes.Meta; m != nil {
		if _, err := c.exec(`UPDATE {p}channel SET meta = ? WHERE num = ?`, encodeMeta(m), c.num); err != nil {
			return err
		}
	}
	if b.CompleteTo != 0 {
		if _, err := c.exec(`UPDATE {p}channel SET complete_to = ? WHERE num = ?`, int64(b.CompleteTo), c.num); err != nil {
			return err
		}
	}
	for i := range b.Changes.Messages {
		if err := c.message(&b.Changes.Messages[i]); err != nil {
			return err
		}
	}
	for i := range b.Changes.Outgoing {
		if err := c.outgoing(&b.Changes.Outgoing[i]); err != nil {
			return err
		}
	}
	if err := c.seen(b.Changes.Seen); err != nil {
		return err
	}
	if err := c.sealed(b); err != nil {
		return err
	}
	for _, t := range b.Transitions {
		_, err := c.exec(`INSERT INTO {p}transition (channel, id, level, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			c.num, blob(t.ID), int64(t.Level), int64(t.At))
		if err != nil {
			return err
		}
	}
	for i := range b.Gaps {
		if err := c.gap(&b.Gaps[i]); err != nil {
			return err
		}
	}
	for i := range b.Hints {
		if err := c.hint(&b.Hints[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *channelWriter) hint(h *Hint) error {
	var known []sds.MessageRecord
	err := c.messages(c.id, `SELECT `+messageColumns+` FROM {p}message m WHERE m.channel = ? AND m.id = ?`,
		[]any{c.num, blob(h.ID)}, func(m sds.MessageRecord) { known = append(known, m) })
	if err != nil || len(known) == 0 {
		return err
	}
	known[0].Hint = h.Hint
	return c.message(&known[0])
}

func (c *channelWriter) message(m *sds.MessageRecord) error {
	if m.State == sds.StateForgotten {
		if _, err := c.exec(`DELETE FROM {p}message WHERE channel = ? AND id = ?`, c.num, blob(m.ID)); err != nil {
			return err
		}
		return c.dropSealed(m.ID)
	}
	_, err := c.exec(`INSERT INTO {p}message (channel, id, state, lamport, position, record) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (channel, id) DO UPDATE SET state = excluded.state, lamport = excluded.lamport,
		position = excluded.position, record = excluded.record`,
		c.num, blob(m.ID), int64(m.State), int64(m.Lamport), int64(m.Position), encodeMessage(m))
	return err
}

func (c *channelWriter) sealed(b *ChannelBatch) error {
	for _, m := range b.Sealed {
		_, err := c.exec(`INSERT INTO {p}sealed (channel, id, bytes, plain) VALUES (?, ?, coalesce(?, x''), ?)
			ON CONFLICT DO NOTHING`, c.num, blob(m.ID), m.Bytes, orNil(m.Plain))
		if err != nil {
			return err
		}
	}
	for _, id := range finallyForgotten(b.Changes.Messages) {
		if err := c.dropSealed(id); err != nil {
			return err
		}
	}
	return nil
}

func (c *channelWriter) dropSealed(id sds.MessageID) error {
	_, err := c.exec(`DELETE FROM {p}sealed WHERE channel = ? AND id = ?`, c.num, blob(id))
	return err
}

func (c *channelWriter) gap(g *Gap) (err error) {
	if closed(g.State) {
		_, err = c.exec(`DELETE FROM {p}gap WHERE channel = ? AND id = ?`, c.num, blob(g.ID))
		return err
	}
	_, err = c.exec(`INSERT INTO {p}gap (channel, id, record) VALUES (?, ?, ?)
		ON CONFLICT (channel, id) DO UPDATE SET record = excluded.record`, c.num, blob(g.ID), encodeGap(g))
	return err
}

func (c *channelWriter) outgoing(r *sds.OutgoingRecord) error {
	var audience any // NULL for none
	if r.HasAudience {
		num, err := c.audience(r.Members, r.Stewards)
		if err != nil {
			return err
		}
		audience = num
	}
	if !r.Done {
		// One that was done and is tracked anew begins without proof.
		_, err := c.exec(`DELETE FROM {p}seen WHERE outgoing =
			(SELECT num FROM {p}outgoing WHERE channel = ? AND id = ? AND done <> 0)`, c.num, blob(r.ID))
		if err != nil {
			return err
		}
	}
	done := int64(0)
	if r.Done {
		done = 1
	}
	_, err := c.exec(`INSERT INTO {p}outgoing (channel, id, done, audience, record) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (channel, id) DO UPDATE SET done = excluded.done, audience = excluded.audience, record = excluded.record`,
		c.num, blob(r.ID), done, audience, encodeOutgoing(r))
	return err
}

// seen adds persons to the sets of own messages: one row for each message,
// however many persons. An own message that was never written is passed over.
func (c *channelWriter) seen(records []sds.SeenRecord) error {
	byID := map[sds.MessageID][]sds.PersonID{}
	var order []sds.MessageID // the same batch makes the same statements
	for _, r := range records {
		if byID[r.ID] == nil {
			order = append(order, r.ID)
		}
		byID[r.ID] = append(byID[r.ID], r.Person)
	}
	for _, id := range order {
		var outgoing int64
		var hasRecord *int64
		var record []byte
		found, err := c.row(`SELECT o.num, s.outgoing, s.persons FROM {p}outgoing o LEFT JOIN {p}seen s ON s.outgoing = o.num
			WHERE o.channel = ? AND o.id = ?`, []any{c.num, blob(id)}, []any{&outgoing, &hasRecord, &record})
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if hasRecord != nil && record == nil {
			return c.corrupt("seen", c.id, string(id), nil)
		}
		if err := c.addSeen(id, outgoing, record, byID[id]); err != nil {
			return err
		}
	}
	return nil
}

func (c *channelWriter) addSeen(id sds.MessageID, outgoing int64, record []byte, persons []sds.PersonID) error {
	numbers, err := c.numbers(persons)
	if err != nil {
		return err
	}
	var set numberSet
	if record != nil {
		d := newDecoder(record)
		set = decodeSet(d, c.persons.next)
		if !d.ok() {
			return c.corrupt("seen", c.id, string(id), nil)
		}
	}
	for _, n := range numbers {
		set.add(n)
	}
	e := newEncoder(2 * len(numbers))
	set.encode(&e)
	_, err = c.exec(`INSERT INTO {p}seen (outgoing, persons) VALUES (?, ?)
		ON CONFLICT (outgoing) DO UPDATE SET persons = excluded.persons`, outgoing, []byte(e))
	return err
}

// personWriter gives numbers to persons.
type personWriter struct {
	known map[sds.PersonID]number
	all   bool   // known has every person of the channel
	next  number // that was not given
}

// manyPersons is from how many on all persons of a channel are read at once: a
// row of a scan costs a quarter of a lookup.
const manyPersons = 256

// numbers returns the numbers of persons, new ones for those that have none.
func (c *channelWriter) numbers(persons []sds.PersonID) ([]number, error) {
	if c.persons == nil {
		p := &personWriter{known: map[sds.PersonID]number{}}
		_, err := c.row(`SELECT coalesce(max(num) + 1, 0) FROM {p}person WHERE channel = ?`, []any{c.num}, []any{&p.next})
		if err != nil {
			return nil, err
		}
		c.persons = p
	}
	p := c.persons
	if !p.all && len(persons) >= manyPersons {
		d, err := c.dictionary(c.num)
		if err != nil {
			return nil, err
		}
		for _, e := range d.byName {
			p.known[e.id] = e.num
		}
		p.all = true
	}
	numbers := make([]number, len(persons))
	for i, id := range persons {
		n, err := c.number(id)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}

func (c *channelWriter) number(id sds.PersonID) (number, error) {
	p := c.persons
	n, known := p.known[id]
	if known {
		return n, nil
	}
	if !p.all {
		found, err := c.row(`SELECT num FROM {p}person WHERE channel = ? AND id = ?`, []any{c.num, blob(id)}, []any{&n})
		if err != nil {
			return 0, err
		}
		known = found
	}
	if !known {
		n = p.next
		_, err := c.exec(`INSERT INTO {p}person (channel, num, id) VALUES (?, ?, coalesce(?, x''))`, c.num, int64(n), blob(id))
		if err != nil {
			return 0, err
		}
		p.next++
	}
	p.known[id] = n
	return n, nil
}
