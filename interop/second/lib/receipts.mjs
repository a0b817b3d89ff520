// Who has our messages (proof.md 6).
import { fingerprint, minus } from './fingerprint.mjs';
import { shortId } from './ids.mjs';

export class Receipts {
  constructor(channel, self, log, emit) {
    Object.assign(this, { channel, self, log, emit });
    this.own = new Map(); // id → {by, possibly}
    this.waiting = new Map(); // participant → claim that names heads that are not here
    this.voids = new Map(); // participant → incarnation
  }

  track(id) {
    this.own.set(id, { by: new Set(), possibly: new Set() });
  }

  prove(id, who) {
    const r = this.own.get(id);
    if (!r || who === this.self || r.by.has(who)) return;
    r.by.add(who);
    if (r.by.size === 1) this.emit({ event: 'acked', id });
  }

  // mentions prove what they name (R50).
  mentions(m) {
    for (const { id } of m.history) this.prove(id, m.sender);
  }

  // filter hits are possibly, once a person (R55).
  filter(m, f) {
    if (m.sender === this.self) return;
    for (const [id, r] of this.own) {
      if (r.possibly.has(m.sender) || r.by.has(m.sender) || !f.has(id)) continue;
      r.possibly.add(m.sender);
      this.emit({ event: 'possiblyAcked', id, count: r.possibly.size });
    }
  }

  // claim weighs a fingerprint (R52, R53, R58). x is the extension of m.
  claim(m, x) {
    if (m.sender === this.self || x.incarnation === undefined) return;
    if (this.voids.get(m.sender) !== x.incarnation) this.waiting.delete(m.sender);
    this.voids.set(m.sender, x.incarnation);
    if (x.fingerprint === undefined) return;
    const claim = { who: m.sender, heads: m.history.map((e) => e.id), x };
    if (claim.heads.every((id) => this.log.get(id))) this.weigh(claim);
    else this.waiting.set(m.sender, claim);
  }

  // grown: claims that waited for heads are looked at again.
  grown() {
    for (const [who, claim] of this.waiting) {
      if (!claim.heads.every((id) => this.log.get(id))) continue;
      this.waiting.delete(who);
      this.weigh(claim);
    }
  }

  weigh({ who, heads, x }) {
    const { log } = this;
    const base = x.base ?? 0n;
    const holes = new Set(x.holes ?? []);
    const theirs = log.ancestorsOf(heads);
    let { sum, count } = log;
    const proved = [];
    for (const e of log.entries) {
      if (e.dialect !== log.dialect) continue;
      const has = theirs.has(e.id) && e.lamport > base && !(holes.size && holes.has(shortId(this.channel, e.id)));
      if (has) {
        if (e.sender === this.self) proved.push(e.id);
      } else {
        sum = minus(sum, e.leaf);
        count--;
      }
    }
    if (fingerprint(who, this.channel, sum, count, base) !== x.fingerprint) return;
    proved.forEach((id) => this.prove(id, who));
  }
}
