// The two hashes of deployed filters (peers.md 11.1), after their authors' reference code.

const mask = (1n << 64n) - 1n;
const k0 = 0xc3a5c85c97cb3127n;
const k1 = 0xb492b66fbe98f273n;
const k2 = 0x9ae16a3b2f90404fn;

const mul = (a, b) => (a * b) & mask;
const add = (...terms) => terms.reduce((a, b) => a + b, 0n) & mask;
const rotate = (v, by) => ((v >> BigInt(by)) | (v << BigInt(64 - by))) & mask;
const mix = (v) => v ^ (v >> 47n);
const at64 = (b, i) => b.readBigUInt64LE(i);
const at32 = (b, i) => BigInt(b.readUInt32LE(i));

function hash16(u, v, m) {
  const a = mix(mul(u ^ v, m));
  return mul(mix(mul(v ^ a, m)), m);
}

function weak32(b, at, seedA, seedB) {
  const w = at64(b, at);
  const z = at64(b, at + 24);
  let a = add(seedA, w);
  let s = rotate(add(seedB, a, z), 21);
  const c = a;
  a = add(a, at64(b, at + 8), at64(b, at + 16));
  s = add(s, rotate(a, 44));
  return [add(a, z), add(s, c)];
}

function upTo16(b) {
  const n = b.length;
  const m = add(k2, BigInt(2 * n));
  if (n >= 8) {
    const a = add(at64(b, 0), k2);
    const e = at64(b, n - 8);
    return hash16(add(mul(rotate(e, 37), m), a), mul(add(rotate(a, 25), e), m), m);
  }
  if (n >= 4) return hash16(add(BigInt(n), at32(b, 0) << 3n), at32(b, n - 4), m);
  if (n === 0) return k2;
  const y = BigInt(b[0] + (b[n >> 1] << 8));
  const z = BigInt(n + (b[n - 1] << 2));
  return mul(mix(mul(y, k2) ^ mul(z, k0)), k2);
}

function upTo32(b) {
  const n = b.length;
  const m = add(k2, BigInt(2 * n));
  const a = mul(at64(b, 0), k1);
  const e = at64(b, 8);
  const c = mul(at64(b, n - 8), m);
  const d = mul(at64(b, n - 16), k2);
  return hash16(add(rotate(add(a, e), 43), rotate(c, 30), d), add(a, rotate(add(e, k2), 18), c), m);
}

function upTo64(b) {
  const n = b.length;
  const m = add(k2, BigInt(2 * n));
  const a = mul(at64(b, 0), k2);
  const second = at64(b, 8);
  const c = mul(at64(b, n - 8), m);
  const d = mul(at64(b, n - 16), k2);
  const y = add(rotate(add(a, second), 43), rotate(c, 30), d);
  const z = hash16(y, add(a, rotate(add(second, k2), 18), c), m);
  const e = mul(at64(b, 16), m);
  const f = at64(b, 24);
  const g = mul(add(y, at64(b, n - 32)), m);
  const h = mul(add(z, at64(b, n - 24)), m);
  return hash16(add(rotate(add(e, f), 43), rotate(g, 30), h), add(e, rotate(add(f, a), 18), g), m);
}

function long(b) {
  let x = 81n;
  let y = add(mul(x, k1), 113n);
  let z = mul(mix(add(mul(y, k2), 113n)), k2);
  let v = [0n, 0n];
  let w = [0n, 0n];
  x = add(mul(x, k2), at64(b, 0));
  const end = ((b.length - 1) >> 6) << 6;
  const round = (s, m) => {
    v = weak32(b, s, mul(v[1], m), add(x, w[0]));
    w = weak32(b, s + 32, add(z, w[1]), add(y, at64(b, s + 16)));
    [z, x] = [x, z];
  };
  for (let s = 0; s < end; s += 64) {
    x = mul(rotate(add(x, y, v[0], at64(b, s + 8)), 37), k1);
    y = mul(rotate(add(y, v[1], at64(b, s + 48)), 42), k1);
    x ^= w[1];
    y = add(y, v[0], at64(b, s + 40));
    z = mul(rotate(add(z, w[0]), 33), k1);
    round(s, k1);
  }
  const m = add(k1, (z & 0xffn) << 1n);
  const rest = (b.length - 1) & 63;
  const s = end + rest - 63;
  w[0] = add(w[0], BigInt(rest));
  v[0] = add(v[0], w[0]);
  w[0] = add(w[0], v[0]);
  x = mul(rotate(add(x, y, v[0], at64(b, s + 8)), 37), m);
  y = mul(rotate(add(y, v[1], at64(b, s + 48)), 42), m);
  x ^= mul(w[1], 9n);
  y = add(y, mul(v[0], 9n), at64(b, s + 40));
  z = mul(rotate(add(z, w[0]), 33), m);
  round(s, m);
  return hash16(add(hash16(v[0], w[0], m), mul(mix(y), k0), z), add(hash16(v[1], w[1], m), x), m);
}

// fingerprint64 is FarmHash Fingerprint64, unsigned.
export function fingerprint64(b) {
  if (b.length <= 16) return upTo16(b);
  if (b.length <= 32) return upTo32(b);
  return b.length <= 64 ? upTo64(b) : long(b);
}

// murmur32 is MurmurHash3 (x86, 32 bits) of UTF-16 units in the place of bytes, as a signed number.
// Units above 0xff overlap with the next one.
export function murmur32(units, seed = 0) {
  const scramble = (k) => {
    const v = Math.imul(k, 0xcc9e2d51);
    return Math.imul((v << 15) | (v >>> 17), 0x1b873593);
  };
  let h = seed;
  const whole = units.length & ~3;
  const block = (from, to) => {
    let k = 0;
    for (let j = from; j < to; j++) k |= units[j] << (8 * (j & 3));
    return k;
  };
  for (let i = 0; i < whole; i += 4) {
    h ^= scramble(block(i, i + 4));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  if (whole < units.length) h ^= scramble(block(whole, units.length));
  h ^= units.length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
