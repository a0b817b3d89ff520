// Digests and wants (repair.md 8, R42, R46, R48, R49). Without timers: a digest that is planned goes
// with the next sync, and so does a want.
import { raw } from './bytes.mjs';
import { Refused } from './protobuf.mjs';
import { compare, decodeDigest, encodeDigest, keyOf, symbolsOf } from './sketch.mjs';

const settledAfter = 2000; // 2 GRTT
const most = 750;

export class Digests {
  // members(from, to) are the ids of what we have in a range.
  constructor(channel, members) {
    Object.assign(this, { secret: raw(channel), members });
    this.planned = false;
    this.symbols = 16;
    this.wanted = undefined; // {from, to, shorts}
  }

  plan() {
    this.planned = true;
  }

  // take the digest that is planned, of a log by place, or undefined.
  take(entries, now) {
    const all = entries.filter((e) => now - e.since >= settledAfter);
    if (!this.planned || !all.length) return undefined;
    this.planned = false;
    const settled = all.slice(-most);
    let from = settled[0].lamport;
    if (all.length > most && all[all.length - most - 1].lamport === from) from++;
    const to = settled[settled.length - 1].lamport + 1n;
    const key = keyOf(this.secret, from, to);
    const shorts = this.members(from, to).map((id) => key.short(id));
    return encodeDigest({ from, to, messages: shorts.length, symbols: symbolsOf(key, shorts, this.symbols) });
  }

  // heard compares a digest and returns the ids that its sender lacks. What we lack is wanted.
  heard(bytes) {
    let digest;
    try {
      digest = decodeDigest(bytes);
    } catch (err) {
      if (err instanceof Refused) return [];
      throw err;
    }
    const { from, to } = digest;
    const key = keyOf(this.secret, from, to);
    const ours = new Map(this.members(from, to).map((id) => [key.short(id), id]));
    const found = compare(key, digest, [...ours.keys()]);
    if (!found) return [];
    this.planned = false; // R47
    if (found.theirs.length) this.wanted = { from, to, shorts: found.theirs.slice(0, 64) };
    return found.ours.map((s) => ours.get(s)).filter(Boolean);
  }

  // takeWant is the members of the extension that ask for what a digest showed.
  takeWant() {
    const { wanted } = this;
    this.wanted = undefined;
    return wanted && { want: wanted.shorts, wantFrom: wanted.from, wantTo: wanted.to };
  }

  // asked: the ids that a want is about, of those that we have.
  asked({ want, wantFrom = 0n, wantTo = 0n }) {
    if (!want || wantFrom >= wantTo || wantTo > 1n << 53n) return [];
    const key = keyOf(this.secret, wantFrom, wantTo);
    const shorts = new Set(want);
    return this.members(wantFrom, wantTo).filter((id) => shorts.has(key.short(id)));
  }
}
