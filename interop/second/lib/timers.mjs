// Waits and sizes (repair.md 7.1, log.md 5.3, peers.md 11.3). Durations are nanoseconds.
import { first64, raw, sha256, sized } from './bytes.mjs';
import { fingerprint64 } from './hash.mjs';

const second = 1e9;
const minute = 60 * second;

const bounded = (v, low, high) => Math.min(Math.max(v, low), high);
const roundTrip = (grtt) => (grtt === 0 ? second : bounded(grtt, 1e6, minute));

// suppression (R61): {lambda, period, delay} for u in [0, 1).
export function suppression(u, members, grtt) {
  const n = bounded(members, 1, 1e6);
  const lambda = Math.log(n) + 1;
  const period = (n <= 16 ? 2 : n <= 256 ? 3 : 4) * roundTrip(grtt);
  return { lambda, period, delay: (period / lambda) * Math.log(1 + u * (Math.exp(lambda) - 1)) };
}

export const trickle = (interval) => bounded(2 * interval, 4 * second, 60 * minute);

export function answer(who, u, members, grtt) {
  if (who === 'author') return 0;
  if (who === 'other') return 2.7 * roundTrip(grtt) + suppression(u, members, grtt).delay;
  return (0.7 + 2 * u) * roundTrip(grtt);
}

// requestBackOff after so many requests (R63); limit 8 GRTT, or 5 min with nobody there.
export function requestBackOff(requests, grtt, limit) {
  return Math.min(2 * roundTrip(grtt) * 2 ** (requests - 1), limit);
}

export const lossDelay = (grtt) => (9 / 8) * roundTrip(grtt);

// resend no. a is due in [d, 2d) (R60).
export const resendFrom = (attempt) => Math.min(5 * second * 2 ** (attempt - 1), 5 * minute);

// groupCode and roundTripCode are one byte each (5.3), rounded up.
export function groupCode(n) {
  if (n <= 15) return n;
  if (n >= 507904) return 255;
  const e = Math.floor(Math.log2(n)) - 4;
  return 16 * (e + 1) + Math.ceil(n / 2 ** e) - 16;
}

export const groupOf = (code) => (code < 16 ? code : (16 + (code % 16)) * 2 ** (Math.floor(code / 16) - 1));

export function roundTripCode(d) {
  if (d <= 1e6) return 1;
  if (d >= minute) return 255;
  const v = Math.ceil(d / 62500);
  const e = Math.floor(Math.log2(v)) - 4;
  return 1 + 16 * e + Math.ceil(v / 2 ** e) - 16;
}

export function roundTripOf(code) {
  const ms = ((16 + ((code - 1) % 16)) / 16) * 2 ** Math.floor((code - 1) / 16);
  return Math.min(ms * 1e6, minute);
}

// holder (R64): whether a participant is one of the about 6 hashed holders of a message.
export function holder(id, participant, n) {
  const hashed = Buffer.concat([sized(id), sized(participant)]);
  const x = first64(sha256(hashed));
  return { hashed, x, holder: n <= 6 || x < (6n << 64n) / BigInt(n) };
}

// The timers of deployed peers (11.3), in whole milliseconds. Strings of ids and participants are
// joined without anything between them.
const abs = (v) => (v < 0n ? -v : v);
const signed = (s) => BigInt.asIntN(64, fingerprint64(raw(s)));

const hashes = {
  nim: (s) => abs(signed(s)),
  js: (s) => first64(sha256(raw(s))),
};

export function requestMs(kind, participant, id, tMin, tMax) {
  if (tMax <= tMin) return tMin;
  return tMin + Number(hashes[kind](participant + id) % BigInt(tMax - tMin));
}

export function answerMs(kind, participant, sender, id, tMax) {
  if (tMax <= 0) return 0;
  const both = kind === 'nim'
    ? abs(signed(participant) ^ signed(sender))
    : hashes.js(participant) ^ hashes.js(sender);
  return Number((both * hashes[kind](id)) % BigInt(tMax));
}

export function sameGroup(kind, participant, sender, id, groups) {
  if (groups <= 1) return true;
  const g = BigInt(groups);
  return hashes[kind](participant + id) % g === hashes[kind](sender + id) % g;
}
