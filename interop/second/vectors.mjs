// Checks this implementation against spec/vectors: node peer.mjs --vectors DIR.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join as path } from 'node:path';
import { fromText, hex, sha256, toText } from './lib/bytes.mjs';
import * as census from './lib/census.mjs';
import { decodeExtension, encodeExtension } from './lib/extension.mjs';
import { Filter, bits, nimRolling, readFilter } from './lib/filter.mjs';
import { fingerprint, leaf, leafBytes, numberToLittle, plus } from './lib/fingerprint.mjs';
import * as ids from './lib/ids.mjs';
import { open, seal, sealKeys } from './lib/seal.mjs';
import { join, split } from './lib/segments.mjs';
import * as sketch from './lib/sketch.mjs';
import * as timers from './lib/timers.mjs';
import { decode, encode, kind } from './lib/wire.mjs';

const hex64 = (n) => n.toString(16).padStart(16, '0');
const hex32 = (n) => n.toString(16).padStart(8, '0');
const number = (s) => BigInt(`0x${s}`);

// refused runs f and says whether it threw.
function refused(f) {
  try {
    f();
    return { refused: false };
  } catch {
    return { refused: true };
  }
}

function entriesOf(entries) {
  if (!entries.length) return undefined;
  return entries.map((e) => ({
    messageId: toText(e.id), retrievalHint: e.hint?.toString('hex'),
    senderId: e.sender ? toText(e.sender) : undefined, bare: e.bare,
  }));
}

function extensionOf(m) {
  if (m.extension === undefined) return undefined;
  const x = decodeExtension(m.extension);
  if (!x) return 'counts as absent';
  const wide = new Set(['fingerprint', 'holes', 'want']);
  const show = (name, v) => {
    if (Array.isArray(v)) return v.map((n) => (wide.has(name) ? hex64(n) : hex32(n)));
    if (Buffer.isBuffer(v)) return v.toString('hex');
    return wide.has(name) ? hex64(v) : String(v);
  };
  return Object.fromEntries(Object.entries(x).map(([name, v]) => [name, show(name, v)]));
}

function wireCase({ name, in: i, out: o }) {
  if (name.startsWith('census: ')) {
    if (i.hex) return refused(() => census.decodeCensus(hex(i.hex)));
    const ask = i.size && {
      size: i.size, spreadMs: i.spreadMs, version: parseInt(i.version, 16), subject: number(i.subject), seed: number(i.seed),
    };
    const made = census.encodeCensus({ ask, map: i.map && hex(i.map), reports: i.reports?.map(number) });
    const read = census.decodeCensus(made);
    if (ask && !isDeepStrictEqual(read.ask, ask)) return { ask: read.ask };
    return { hex: made.toString('hex') };
  }
  if (o.refused) return refused(() => decode(hex(i.hex)));
  const m = decode(hex(i.hex));
  const got = {
    bloomFilter: m.filter?.toString('hex'), causalHistory: entriesOf(m.history), channelId: toText(m.channel),
    content: m.content?.toString('hex'), dialect: m.dialect, extension: extensionOf(m), kind: kind(m),
    lamport: m.lamport?.toString(), messageId: toText(m.id), repairRequest: entriesOf(m.requests),
    senderId: toText(m.sender), unknown: m.unknown.length ? Buffer.concat(m.unknown).toString('hex') : undefined,
  };
  const again = encode(m).toString('hex');
  if (again !== i.hex || o.again) got.again = again;
  const x = m.extension && decodeExtension(m.extension);
  if (x && !o.again) m.extension = encodeExtension(x); // ours write the same bytes
  if (!o.again && encode(m).toString('hex') !== i.hex) got.extensionAgain = encode(m).toString('hex');
  return got;
}

function idsCase({ in: i, out: o }) {
  if (i.hex) {
    return { id: ids.verify(decode(hex(i.hex))) };
  }
  if (i.prefix) {
    const args = [i.prefix, fromText(i.channel), fromText(i.sender), BigInt(i.lamport), i.parents.map(fromText), hex(i.content)];
    return { hashed: ids.hashedOf(...args).toString('hex'), id: ids.makeId(...args) };
  }
  if (i.participant) {
    const hashed = ids.shortHashed('causeway/participant/1', i.channel, i.participant);
    return { hashed: hashed.toString('hex'), short: hex32(ids.shortParticipant(i.channel, i.participant)) };
  }
  if (o.short) {
    const hashed = ids.shortHashed('causeway/short/1', i.channel, i.id);
    return { hashed: hashed.toString('hex'), short: hex64(ids.shortId(i.channel, i.id)) };
  }
  return { id: ids.contentHash(hex(i.content)) };
}

function fingerprintsCase({ in: i }) {
  let sum = 0n;
  for (const m of i.messages) {
    const args = [fromText(m.id), m.parents.map(fromText), hex(m.content)];
    if (leafBytes(...args).toString('hex') !== m.leaf) return { leaf: leafBytes(...args).toString('hex') };
    sum = plus(sum, leaf(...args));
  }
  const count = i.messages.length;
  return {
    count: String(count), sum: numberToLittle(sum).toString('hex'),
    fingerprint: hex64(fingerprint(fromText(i.participant), fromText(i.channel), sum, count, BigInt(i.base))),
  };
}

function filtersCase({ name, in: i, out: o }) {
  if (o.bits) return { bits: bits(i.kind, fromText(i.id), i.k, i.m) };
  if (o.ignored) {
    const f = i.hex ? readFilter('nim', hex(i.hex)) : readFilter('lip', Buffer.alloc(i.zeroBytes));
    return { ignored: f === undefined };
  }
  const of = (f) => {
    const b = f.bytes();
    const all = { bytes: b.length, hex: b.toString('hex'), k: f.k, m: f.m, sha256: sha256(b).toString('hex') };
    return Object.fromEntries(Object.keys(o).map((k) => [k, all[k]]));
  };
  if (Array.isArray(i.ids)) {
    if (name.startsWith('nim')) return of(nimRolling(i.ids, i.capacity, i.errorRate));
    const f = new Filter('js', i.capacity, i.errorRate);
    i.ids.forEach((id) => f.add(id));
    return of(f);
  }
  const f = new Filter('nim', i.capacity, i.errorRate); // test1 … test300, the newest 256 of them
  for (let n = 300 - i.capacity + 1; n <= 300; n++) f.add(`test${n}`);
  return of(f);
}

function sketchesCase({ in: i, out: o }) {
  if (i.digest) return refused(() => sketch.decodeDigest(hex(i.digest)));
  const secret = hex(i.secret);
  const [from, to] = [BigInt(i.from), BigInt(i.to)];
  const key = sketch.keyOf(secret, from, to);
  const shorts = (list) => list.map((id) => key.short(fromText(id)));
  const made = sketch.encodeDigest({
    from, to, messages: i.theirs.length, symbols: sketch.symbolsOf(key, shorts(i.theirs), i.symbols),
  });
  const found = sketch.compare(key, sketch.decodeDigest(made), shorts(i.ours)) ?? { theirs: [], ours: [], complete: false };
  const got = {
    complete: found.complete, digest: made.toString('hex'), material: sketch.material(secret, from, to).toString('hex'),
    onlyOurs: found.ours.map(hex64).sort(), onlyTheirs: found.theirs.map(hex64).sort(),
    messages: o.messages?.map(({ id }) => {
      const short = key.short(fromText(id));
      const hash = key.hash(short);
      return { check: hex32(hash & 0xffffffffn), id, places: sketch.places(hash, i.symbols), short: hex64(short) };
    }),
  };
  return got;
}

const toMicrosecond = (ns) => Math.round(ns / 1000) * 1000;

function timersCase({ name, in: i }) {
  if (i.tMaxMs !== undefined) {
    const kindOf = name.startsWith('nim') ? 'nim' : 'js';
    const who = [kindOf, fromText(i.participant)];
    const got = {};
    if (i.tMinMs !== undefined) got.requestMs = timers.requestMs(...who, fromText(i.id), i.tMinMs, i.tMaxMs);
    if (i.sender !== undefined) got.answerMs = timers.answerMs(...who, fromText(i.sender), fromText(i.id), i.tMaxMs);
    return got;
  }
  if (i.person !== undefined) {
    const s = census.sampled(i.person, number(i.seed), parseInt(i.version, 16), i.size, i.persons);
    return { asked: s.asked, hash: hex64(s.hash), hashed: s.hashed.toString('hex'), limit: hex64(s.limit) };
  }
  if (i.want !== undefined) return { enough: census.enough(i.sample, i.persons, i.want) };
  if (i.heard !== undefined) {
    const { low, high } = census.interval(i.heard, i.sample, i.persons);
    return { high: Number(high.toFixed(10)), low: Number(low.toFixed(10)) };
  }
  if (i.who) return { delay: toMicrosecond(timers.answer(i.who, i.u, i.members, i.grtt)) };
  if (i.u !== undefined) {
    const s = timers.suppression(i.u, i.members, i.grtt);
    return { delay: toMicrosecond(s.delay), lambda: Number(s.lambda.toPrecision(10)), period: s.period };
  }
  if (i.interval !== undefined) return { next: timers.trickle(i.interval) };
  if (i.requests) {
    const wait = (limit) => timers.requestBackOff(i.requests, i.grtt, limit);
    return { lively: wait(8 * i.grtt), nobodyThere: wait(300e9) };
  }
  if (i.attempt) return { from: timers.resendFrom(i.attempt), middle: 1.5 * timers.resendFrom(i.attempt) };
  if (i.id !== undefined) {
    const h = timers.holder(i.id, i.participant, i.members);
    return { hashed: h.hashed.toString('hex'), holder: h.holder, x: hex64(h.x) };
  }
  if (i.roundTrip !== undefined) {
    const code = timers.roundTripCode(i.roundTrip);
    return { code, standsFor: timers.roundTripOf(code) };
  }
  if (i.members !== undefined) {
    const code = timers.groupCode(i.members);
    return { code, standsFor: timers.groupOf(code) };
  }
  return { delay: timers.lossDelay(i.grtt), newer: 3 };
}

function sealCase({ in: i, out: o }) {
  const [secret, channel] = [hex(i.secret), fromText(i.channel)];
  if (i.sealed) return { refused: open(secret, channel, hex(i.sealed)) };
  const sealed = seal(secret, channel, hex(i.message), hex(i.nonce));
  const back = open(secret, channel, sealed);
  if (!Buffer.isBuffer(back) || back.toString('hex') !== i.message) return { opened: String(back) };
  const { key, name } = sealKeys(secret);
  return { key: key.toString('hex'), keyName: name.toString('hex'), sealed: sealed.toString('hex') };
}

function segmentsCase({ in: i, out: o }) {
  const { hash, segments } = split(hex(i.payload), i.segmentSize, i.parityPerData);
  const back = join(o.suffice.map((n) => segments[n]));
  return {
    hash: hash.toString('hex'), segments: segments.map((s) => s.toString('hex')),
    suffice: back?.toString('hex') === i.payload ? o.suffice : 'they do not',
  };
}

const checks = {
  'wire.json': wireCase, 'ids.json': idsCase, 'fingerprints.json': fingerprintsCase, 'filters.json': filtersCase,
  'sketches.json': sketchesCase, 'timers.json': timersCase, 'seal.json': sealCase, 'segments.json': segmentsCase,
};

const plain = (v) => JSON.parse(JSON.stringify(v));

// checkVectors prints a line for each case that differs and one for each file. It returns how many
// cases differ.
export function checkVectors(dir, print) {
  let bad = 0;
  for (const [file, check] of Object.entries(checks)) {
    const { format, cases } = JSON.parse(readFileSync(path(dir, file), 'utf8'));
    if (format !== 1) throw new Error(`${file}: format ${format}`);
    let held = 0;
    for (const c of cases) {
      let got;
      try {
        got = plain(check(c));
      } catch (err) {
        got = String(err.stack);
      }
      if (isDeepStrictEqual(got, c.out)) held++;
      else print(`${file}: ${c.name}: got ${JSON.stringify(got)}, want ${JSON.stringify(c.out)}`.slice(0, 600));
    }
    bad += cases.length - held;
    print(`${file}: ${held} of ${cases.length}`);
  }
  return bad;
}
