// One participant in one channel, step by step (log.md 5). It has no timers: what is due leaves with
// the next message or sweep. now() is in ms since 1970.
import { randomBytes } from 'node:crypto';
import { Digests } from './digests.mjs';
import { decodeExtension, encodeExtension } from './extension.mjs';
import { readFilter } from './filter.mjs';
import { fingerprint } from './fingerprint.mjs';
import { contentHistory, filterFor, syncHistory } from './history.mjs';
import { Answers, Holes } from './holes.mjs';
import { contentHash, makeId, shortId, verify } from './ids.mjs';
import { Log, before } from './log.mjs';
import { Numbers } from './numbers.mjs';
import { Heard, plausible } from './plausible.mjs';
import { Receipts } from './receipts.mjs';
import { decode, encode, kind, limits, timestamp } from './wire.mjs';

const end = 1n << 53n; // timestamps from here on are refused (R21)
const blocking = 32; // unknown ids that a message waits for (R39)

export class Participant {
  constructor(config, now, emit) {
    Object.assign(this, { config, now, emit });
    this.wire = config.dialect === 'nim' ? 'nim' : 'lip';
    this.log = new Log(this.wire);
    this.heard = new Heard();
    this.holes = new Holes(config);
    this.answers = new Answers(config);
    this.receipts = new Receipts(config.channel, config.sender, this.log, emit);
    this.numbers = new Numbers();
    this.digests = new Digests(config.channel, (from, to) => this.between(from, to));
    this.clock = this.unit();
    this.sequence = 0n;
    this.ordinal = 0; // how many own messages
    this.incarnation = BigInt(randomBytes(4).readUInt32LE() || 1);
    this.running = 0n; // of ephemeral messages
    this.echoes = new Set();
    this.met = new Map(); // syncs, id → bytes
    this.bytes = new Map(); // content that is here, id → bytes
    this.hints = new Map();
    this.waiting = new Map(); // content without a place, id → {m, blocked, gaps, far, vouchers, since}
    this.outgoing = new Map(); // own content, id → bytes
    this.failed = new Map(); // own that the transport refused, id → what will enter the log
  }

  // unit is now in the unit of the dialect.
  unit() {
    const ms = BigInt(Math.max(0, Math.trunc(this.now())));
    return this.wire === 'nim' ? ms / 1000n : ms;
  }

  timestamp() {
    const now = this.unit();
    const t = now > this.clock ? now : this.clock + 1n; // R20
    if (t >= end) throw new Error('the clock is at its end');
    return t;
  }

  // known: any message under this id was here (R33).
  known(id) {
    return this.bytes.has(id) || this.met.has(id) || this.echoes.has(id);
  }

  entriesFor(history) {
    return history.map((e) => ({ id: e.id, hint: this.hints.get(e.id), sender: e.sender || undefined }));
  }

  // extension says who we are, and claims what we have if all heads are named (R52).
  extension(history, more) {
    const { log, config } = this;
    const x = { version: 1n, incarnation: this.incarnation, ...more };
    const named = new Set(history.map((e) => e.id));
    const gaps = [...this.holes.open.values()].filter((h) => h.given && !h.hidden && h.trusted && h.requests < 16);
    if ([...log.heads].every((id) => named.has(id)) && gaps.length <= 8) {
      x.fingerprint = fingerprint(config.sender, config.channel, log.sum, log.count, 0n);
      x.holes = gaps.map((h) => shortId(config.channel, h.id));
    }
    return encodeExtension(x);
  }

  send(content, { hint, fail } = {}) {
    const { config } = this;
    if (!content.length || content.length > limits.content) throw new Error(`content has ${content.length} bytes`);
    const lamport = this.timestamp();
    const history = contentHistory(this.log, config.dialect, config.sender, config.causalHistory);
    const parents = history.map((e) => e.id);
    const id = config.dialect === 'js'
      ? contentHash(content)
      : makeId('c1', config.channel, config.sender, lamport, parents, content);
    if (this.known(id)) throw new Error('this message is known already');
    const bytes = encode({
      dialect: this.wire, sender: config.sender, id, channel: config.channel, lamport,
      history: this.entriesFor(history), requests: this.holes.take(this.now(), 3), content,
      filter: filterFor(this.log, config.dialect, history),
      extension: this.extension(history, { sequence: ++this.sequence }),
    });
    this.clock = lamport;
    if (hint) this.hints.set(id, hint);
    this.emit({ event: 'out', kind: 'content', id, payload: bytes });
    this.outgoing.set(id, bytes);
    const entry = { id, sender: config.sender, lamport, dialect: this.wire, parents, content, since: this.now() };
    if (fail) this.failed.set(id, entry);
    else this.sent(entry, bytes);
  }

  // sent: the transport took it; it has its place. (Where it refuses, so the language of the peer
  // wants it, it has none yet. For a host that has no such command it has one at once.)
  sent(entry, bytes) {
    this.failed.delete(entry.id);
    this.bytes.set(entry.id, bytes);
    this.holes.came(entry.id);
    this.log.add(entry, ++this.ordinal);
    this.receipts.track(entry.id);
    this.emit({ event: 'sent', id: entry.id });
  }

  ephemeral(content) {
    const { config } = this;
    if (config.dialect === 'nim') throw new Error('nim has no ephemeral messages');
    if (!content.length) throw new Error('no content');
    const number = (this.incarnation << 32n) + ++this.running;
    const id = makeId('e1', config.channel, config.sender, number, [], content);
    this.echoes.add(id);
    const m = { dialect: 'lip', sender: config.sender, id, channel: config.channel, content };
    this.emit({ event: 'out', kind: 'ephemeral', id, payload: encode(m) });
  }

  sync() {
    const { config } = this;
    const history = syncHistory(this.log, config.dialect, config.sender, config.causalHistory);
    const requests = this.holes.take(this.now(), config.dialect === 'lip' ? 32 : 3);
    const more = { digest: this.digests.take(this.ours(), this.now()), ...this.digests.takeWant() };
    if (!history.length && !requests.length && !more.want) return this.emit({ event: 'syncSkipped' });
    const lamport = this.timestamp();
    const parents = history.map((e) => e.id);
    const content = Buffer.alloc(0);
    const id = makeId('y1', config.channel, config.sender, lamport, parents, content);
    const bytes = encode({
      dialect: this.wire, sender: config.sender, id, channel: config.channel, lamport,
      history: this.entriesFor(history), requests, content: this.wire === 'nim' ? content : undefined,
      filter: filterFor(this.log, config.dialect, history),
      extension: this.extension(history, more),
    });
    this.met.set(id, bytes);
    this.clock = lamport;
    return this.emit({ event: 'out', kind: 'sync', id, payload: bytes });
  }

  receive(bytes, hint) {
    const m = decode(bytes);
    const { config } = this;
    const k = kind(m);
    m.lamport = timestamp(m);
    if (m.channel !== config.channel) throw new Error('another channel');
    if (m.lamport >= end) throw new Error('a timestamp from 2^53 on');
    if (m.content?.length > limits.content) throw new Error('content above its limit');
    if (m.dialect === 'lip' && !m.sender) throw new Error('no sender');
    if (verify(m, config.dialect) === 'refused') throw new Error('an id that is not of its message');
    if (k === 'ephemeral') {
      if (!this.echoes.has(m.id)) this.emit({ event: 'ephemeral', id: m.id, senderId: m.sender, content: m.content });
      return;
    }
    if (hint) this.hints.set(m.id, hint);
    if (this.known(m.id)) {
      this.answers.heard(m.id); // a copy (R33)
      return;
    }
    this.heard.note(m.sender, m.lamport);
    this.answers.heard(m.id);
    const shown = { id: m.id, senderId: m.sender, lamport: m.lamport };
    if (k === 'sync') this.emit({ event: 'syncReceived', ...shown });
    else this.emit({ event: 'received', ...shown, content: m.content });
    this.evidence(m);
    this.requestsOf(m);
    if (k === 'sync') this.sawSync(m, bytes);
    else this.arrive(m, bytes);
    const x = m.extension && m.dialect === this.wire ? decodeExtension(m.extension) : undefined;
    if (x && m.sender !== config.sender) this.heed(m, x, k);
    if (x && m.sender === config.sender && x.incarnation === this.incarnation && x.sequence > this.sequence) {
      this.sequence = x.sequence; // R34
    }
  }

  // heed what the extension of another says.
  heed(m, x, k) {
    this.receipts.claim(m, x);
    if (k === 'content') {
      this.numbers.note(m.sender, x.incarnation, x.sequence, this.now());
      this.countLosses();
    }
    if (k !== 'sync') return;
    if (x.digest) for (const id of this.digests.heard(x.digest)) this.planAnswer(id);
    for (const id of this.digests.asked(x)) this.planAnswer(id);
  }

  // countLosses: a number that is lost, and that no open hole of its sender explains, wants a digest.
  countLosses() {
    for (const { sender, sequence } of this.numbers.lost(this.now())) {
      this.emit({ event: 'lostNumber', senderId: sender, sequence: String(sequence) });
      const explained = [...this.holes.open.values()].some((h) => !h.sender || h.sender === sender);
      if (!explained) this.digests.plan();
    }
  }

  // ours is the log in our dialect; between are the ids that we have of a range, also what waits.
  ours() {
    return this.log.entries.filter((e) => e.dialect === this.wire);
  }

  between(from, to) {
    const waiting = [...this.waiting.values()].filter((w) => !w.far && w.m.dialect === this.wire).map((w) => w.m);
    return [...this.ours(), ...waiting].filter((e) => e.lamport >= from && e.lamport < to).map((e) => e.id);
  }

  // evidence: mentions, hints, vouching, the filter.
  evidence(m) {
    if (m.sender === this.config.sender) return;
    this.receipts.mentions(m);
    for (const e of m.history) {
      this.log.heardNaming(m.sender, e.id);
      if (e.hint && !this.hints.has(e.id)) this.hints.set(e.id, e.hint);
      const there = this.waiting.get(e.id);
      if (there?.far && there.m.sender !== m.sender) this.vouch(there, m.sender);
    }
    const f = m.filter?.length ? readFilter(m.dialect, m.filter) : undefined;
    if (f) this.receipts.filter(m, f);
  }

  // requestsOf m are answered by whoever has what it asks for (R64), and put ours off (R63).
  requestsOf(m) {
    if (!m.requests.length || m.sender === this.config.sender) return;
    this.emit({ event: 'repairRequestReceived', ids: m.requests.map((r) => r.id), senderId: m.sender });
    for (const { id } of m.requests) {
      this.holes.othersAsk(id, this.now());
      if (this.bytes.has(id) || (this.wire === 'nim' && this.met.has(id))) this.planAnswer(id);
    }
    for (const id of this.uncovered(m)) this.planAnswer(id);
  }

  planAnswer(id) {
    const due = this.answers.asked(id, this.authorOf(id), this.now());
    if (due !== undefined) this.emit({ event: 'repairResponseQueued', id, tResp: due });
  }

  authorOf(id) {
    return this.log.get(id)?.sender ?? this.waiting.get(id)?.m.sender ?? decode(this.bytes.get(id) ?? this.met.get(id)).sender;
  }

  // uncovered: the oldest 16 messages below what m asks for that the heads it names do not cover.
  uncovered(m) {
    const heads = m.history.map((e) => e.id);
    const asked = m.requests.map((r) => this.log.get(r.id)).filter(Boolean);
    if (!asked.length || heads.length >= 20 || !heads.every((id) => this.log.get(id))) return [];
    const highest = asked.reduce((a, e) => (e.lamport > a ? e.lamport : a), 0n);
    const covered = this.log.ancestorsOf(heads);
    const settled = (e) => this.now() - e.since >= 2000;
    return this.log.entries
      .filter((e) => e.lamport < highest && e.dialect === this.wire && !covered.has(e.id) && settled(e))
      .slice(0, 16).map((e) => e.id);
  }

  trusts(m) {
    if (this.config.trustNames || verify(m, this.config.dialect) === 'verified') return true;
    return this.config.dialect === 'js' && kind(m) === 'sync'; // 7.2: no roster here
  }

  // lacks plans requests for what m names and is not here, and returns these ids in order.
  lacks(m) {
    const ids = [];
    for (const e of m.history) {
      if (this.quarantined(e.id)) this.holes.quarantined(e, m.sender, this.now());
      if (this.known(e.id)) continue;
      const { hole, planned } = this.holes.named(e, m.sender, this.trusts(m), this.now());
      ids.push(e.id);
      if (planned) this.emit({ event: 'repairRequestQueued', id: e.id, tReq: hole.due });
    }
    return ids;
  }

  sawSync(m, bytes) {
    this.met.set(m.id, bytes);
    this.holes.came(m.id);
    const ids = this.lacks(m);
    if (ids.length) this.lacking('missing', ids);
    if (m.sender === this.config.sender && this.isPlausible(m) && m.lamport > this.clock) this.clock = m.lamport; // R34
    this.settle(m.id);
    this.recheck();
  }

  lacking(event, ids) {
    const entries = ids.map((id) => this.holes.open.get(id)).filter(Boolean)
      .map(({ id, sender, hint }) => ({ id, senderId: sender || undefined, retrievalHint: hint }));
    this.emit({ event, ids, entries });
  }

  isPlausible(m) {
    const { log, heard, clock, wire: dialect } = this;
    return plausible(m, { dialect, heard, log, clock, now: this.unit() });
  }

  // arrive: content waits for all that it names and that has no place yet (R32).
  arrive(m, bytes) {
    this.bytes.set(m.id, bytes);
    const ids = this.lacks(m);
    const open = (id) => this.holes.open.get(id)?.given === false;
    const unknown = ids.filter(open);
    const waits = m.history.map((e) => e.id).filter((id) => this.waiting.has(id));
    const given = (id) => this.holes.open.get(id)?.given === true;
    const blocked = new Set([...unknown.slice(-blocking), ...waits.filter((id) => !given(id))]);
    const gaps = [...ids, ...waits].filter((id) => !blocked.has(id));
    const far = !this.isPlausible(m);
    this.waiting.set(m.id, { m, blocked, gaps, far, vouchers: new Set(), since: this.now() });
    if (far) this.holes.hidden(m.id);
    else this.holes.came(m.id);
    this.release();
    this.recheck();
    if (!this.waiting.has(m.id)) return;
    if (ids.length) this.lacking('missing', ids);
    const quarantined = [...this.waiting.keys()].filter((id) => this.quarantined(id));
    if (quarantined.length > 256) this.forget(quarantined[0]); // R39: the oldest
  }

  quarantined(id) {
    return this.waiting.get(id)?.far === true;
  }

  // forget a message in quarantine: it may come again.
  forget(id) {
    this.waiting.delete(id);
    this.bytes.delete(id);
  }

  // settle: an id turned out to be a sync, or was given up; nobody waits for it.
  settle(id, gap = false) {
    for (const w of this.waiting.values()) {
      if (w.blocked.delete(id) && gap) w.gaps.push(id);
    }
    this.release();
  }

  // release lets in all that waits for nothing, in the order of places.
  release() {
    for (;;) {
      let next;
      for (const w of this.waiting.values()) {
        if (w.blocked.size === 0 && !w.far && (!next || before(w.m, next.m))) next = w;
      }
      if (!next) return;
      this.enter(next);
    }
  }

  // recheck lets out of quarantine what has become plausible, what came first at first (R22).
  recheck() {
    for (;;) {
      const w = [...this.waiting.values()].find((x) => x.far && this.isPlausible(x.m));
      if (!w) return;
      w.far = false;
      this.release();
    }
  }

  // vouch for a message in quarantine: the second to do so releases it.
  vouch(w, who) {
    w.vouchers.add(who);
    if (w.vouchers.size < 2 || w.m.lamport >= 1n << 52n) return;
    w.far = false;
    this.release();
  }

  enter({ m, gaps, since }) {
    this.waiting.delete(m.id);
    this.holes.came(m.id);
    this.log.add({
      id: m.id, sender: m.sender, lamport: m.lamport, dialect: m.dialect,
      parents: m.history.map((h) => h.id), content: m.content, since,
    });
    if (m.lamport > this.clock) this.clock = m.lamport;
    this.emit({
      event: 'delivered', id: m.id, senderId: m.sender, lamport: m.lamport, content: m.content,
      gaps: gaps.length ? gaps : undefined,
    });
    for (const w of this.waiting.values()) w.blocked.delete(m.id);
    this.receipts.grown();
  }

  sweep(resend) {
    this.countLosses();
    const given = this.holes.giveUp(this.now());
    const lost = given.filter((id) => !this.waiting.has(id));
    if (lost.length) this.lacking('lost', lost);
    for (const id of given) this.settle(id, true);
    this.recheck();
    const missing = this.holes.missing();
    if (missing.length) this.lacking('missing', missing);
    for (const id of this.answers.take(this.now())) {
      this.emit({ event: 'out', kind: 'repair', id, payload: this.bytes.get(id) ?? this.met.get(id) });
    }
    if (resend) this.resend();
    const rest = this.unacknowledged();
    const possibly = (id) => (this.receipts.own.get(id)?.possibly.size ?? 0) > 0;
    this.emit({
      event: 'outgoing', unacknowledged: rest.filter((id) => !possibly(id)), possiblyAcknowledged: rest.filter(possibly),
    });
  }

  unacknowledged() {
    return [...this.outgoing.keys()].filter((id) => !this.receipts.own.get(id)?.by.size);
  }

  resend() {
    for (const id of this.unacknowledged()) {
      this.emit({ event: 'out', kind: 'resend', id, payload: this.outgoing.get(id) });
      const entry = this.failed.get(id);
      if (entry) this.sent(entry, this.outgoing.get(id));
    }
  }

  state() {
    this.emit({
      event: 'state', lamport: this.clock, incoming: [...this.waiting.keys()], outgoing: this.unacknowledged(),
      history: this.log.entries.map((e) => ({ id: e.id, senderId: e.sender, lamport: e.lamport })),
    });
  }
}
