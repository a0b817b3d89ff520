// Coded symbols of a digest (repair.md 8.1).
import { be32, be64, raw, sha256 } from './bytes.mjs';
import { Refused, putUvarint, uvarint } from './protobuf.mjs';

const mask = (1n << 64n) - 1n;
const rotl = (v, by) => ((v << BigInt(by)) | (v >> BigInt(64 - by))) & mask;

// sipHash is SipHash-2-4 of b under two words.
export function sipHash([k0, k1], b) {
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn, k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n,
  ];
  const rounds = (n) => {
    for (; n > 0; n--) {
      v0 = (v0 + v1) & mask; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32);
      v2 = (v2 + v3) & mask; v3 = rotl(v3, 16) ^ v2;
      v0 = (v0 + v3) & mask; v3 = rotl(v3, 21) ^ v0;
      v2 = (v2 + v1) & mask; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32);
    }
  };
  const padded = Buffer.alloc((b.length & ~7) + 8);
  b.copy(padded);
  padded[padded.length - 1] = b.length & 0xff;
  for (let i = 0; i < padded.length; i += 8) {
    const word = padded.readBigUInt64LE(i);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

export function material(secret, from, to) {
  return sha256(raw('causeway/digest/1'), be32(secret.length), secret, be64(from), be64(to));
}

// keyOf a range: what turns ids into short ids, and these into hashes.
export function keyOf(secret, from, to) {
  const m = material(secret, from, to);
  const word = (i) => m.readBigUInt64LE(8 * i);
  const key = { k1: [word(0), word(1)], k2: [word(2), word(3)] };
  key.short = (id) => sipHash(key.k1, raw(id));
  key.hash = (short) => {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(short);
    return sipHash(key.k2, b);
  };
  return key;
}

// places are the symbols, of m, that an id with this hash takes part in.
export function places(hash, m) {
  const out = [0];
  let state = hash;
  let i = 0n;
  for (;;) {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    const u = (z ^ (z >> 31n)) >> 32n;
    if (u === 0n) return out;
    let j = i + 1n;
    while (j < BigInt(m) && u * (j + 2n) ** 2n < (i + 2n) ** 2n << 32n) j++;
    if (j >= BigInt(m)) return out;
    out.push(Number(j));
    i = j;
  }
}

// symbolsOf short ids: m of {sum, check, count}.
export function symbolsOf(key, shorts, m) {
  const symbols = Array.from({ length: m }, () => ({ sum: 0n, check: 0n, count: 0 }));
  for (const s of shorts) toggle(key, symbols, s, 1);
  return symbols;
}

function toggle(key, symbols, short, by) {
  const hash = key.hash(short);
  for (const i of places(hash, symbols.length)) {
    symbols[i].sum ^= short;
    symbols[i].check ^= hash & 0xffffffffn;
    symbols[i].count = (symbols[i].count + by) & 0xff;
  }
}

export function encodeDigest({ from, to, messages, symbols }) {
  const body = Buffer.alloc(13 * symbols.length);
  symbols.forEach((s, i) => {
    body.writeBigUInt64LE(s.sum, 13 * i);
    body.writeUInt32LE(Number(s.check), 13 * i + 8);
    body[13 * i + 12] = s.count;
  });
  return Buffer.concat([putUvarint(from), putUvarint(to - from), putUvarint(messages), body]);
}

export function decodeDigest(b) {
  const read = [];
  let pos = 0;
  while (read.length < 3) {
    const start = pos;
    let v;
    [v, pos] = uvarint(b, pos);
    if (pos - start !== putUvarint(v).length) throw new Refused('varint longer than need be');
    read.push(v);
  }
  const [from, width, messages] = read;
  const to = from + width;
  const m = (b.length - pos) / 13;
  if (!Number.isInteger(m) || m < 16 || m > 64 || width === 0n || to > 1n << 53n || messages > 1000n) throw new Refused('digest');
  const symbols = Array.from({ length: m }, (_, i) => ({
    sum: b.readBigUInt64LE(pos + 13 * i),
    check: BigInt(b.readUInt32LE(pos + 13 * i + 8)),
    count: b[pos + 13 * i + 12],
  }));
  if (Number(messages & 0xffn) !== symbols[0].count) throw new Refused('count');
  return { from, to, messages, symbols };
}

// compare says what a digest shows: short ids of theirs and ours alone, and whether these are all.
// undefined: the digest contradicts itself, or there is no point in trying.
export function compare(key, digest, ourShorts) {
  const m = digest.symbols.length;
  if (Math.abs(Number(digest.messages) - ourShorts.length) > m) return undefined;
  const ours = symbolsOf(key, ourShorts, m);
  const diff = digest.symbols.map((s, i) => ({
    sum: s.sum ^ ours[i].sum, check: s.check ^ ours[i].check, count: (s.count - ours[i].count) & 0xff,
  }));
  const found = { theirs: [], ours: [], complete: false };
  const seen = new Set();
  for (let again = true; again;) {
    again = false;
    for (let i = 0; i < m; i++) {
      const { sum, check, count } = diff[i];
      if (count !== 1 && count !== 255) continue;
      const hash = key.hash(sum);
      if ((hash & 0xffffffffn) !== check || !places(hash, m).includes(i)) continue;
      if (seen.has(sum) || seen.size >= m) return undefined;
      seen.add(sum);
      (count === 1 ? found.theirs : found.ours).push(sum);
      toggle(key, diff, sum, count === 1 ? -1 : 1);
      again = true;
    }
  }
  found.complete = diff.every((s) => s.sum === 0n && s.check === 0n && s.count === 0);
  return found;
}
