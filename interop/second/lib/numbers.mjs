// Losses that the numbers of a sender's content show (log.md 5.1, R40 and R41). Times are ms.

const window = 64n;
const enoughNewer = 3;
const patience = 1125; // 9/8 GRTT of a second

export class Numbers {
  constructor() {
    this.senders = new Map(); // → {incarnation, highest, missing: number → {newer, since}}
  }

  // note a number that came, or undefined for content without one.
  note(sender, incarnation, sequence, now) {
    const s = this.senders.get(sender);
    if (sequence === undefined || incarnation === undefined) {
      this.senders.delete(sender);
      return;
    }
    if (s && s.incarnation !== incarnation && s.before.has(incarnation)) return; // an older self
    if (!s || s.incarnation !== incarnation || sequence > s.highest + window - 1n) {
      const before = s?.before ?? new Set();
      if (s && s.incarnation !== incarnation) before.add(s.incarnation);
      this.senders.set(sender, { incarnation, highest: sequence, missing: new Map(), before });
      return;
    }
    for (let n = s.highest + 1n; n < sequence; n++) s.missing.set(n, { newer: 0, since: now });
    s.missing.delete(sequence);
    for (const [n, m] of s.missing) if (n < sequence) m.newer++;
    if (sequence > s.highest) s.highest = sequence;
  }

  // lost numbers, once each: [{sender, sequence}].
  lost(now) {
    const out = [];
    for (const [sender, s] of this.senders) {
      for (const [sequence, m] of s.missing) {
        if (m.newer < enoughNewer && now - m.since < patience) continue;
        s.missing.delete(sequence);
        out.push({ sender, sequence });
      }
    }
    return out;
  }
}
