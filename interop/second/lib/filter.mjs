// The bloom filters of deployed peers (peers.md 11.1, R8, R55, R80, R82).
import { raw, toText } from './bytes.mjs';
import { fingerprint64, murmur32 } from './hash.mjs';
import { fields, putBytesField, putVarintField } from './protobuf.mjs';

// |H(id)| of either kind. The smallest number stays itself and is taken as unsigned below.
const abs64 = (v) => (v < 0n ? -v : v);

export const hashes = {
  js(id) {
    const units = [...toText(id)].map((c) => c.charCodeAt(0)); // the first unit of each code point
    return abs64(BigInt(murmur32(units)));
  },
  nim: (id) => abs64(BigInt.asIntN(64, fingerprint64(raw(id)))),
};

// bits are the k bits of an id among m.
export function bits(kind, id, k, m) {
  const size = BigInt(m);
  const a = hashes[kind](id) % size;
  const b = hashes[kind](`${id} b`) % size;
  return Array.from({ length: k }, (_, i) => Number((a + BigInt(i) * b) % size));
}

export class Filter {
  constructor(kind, capacity, errorRate) {
    this.kind = kind;
    this.capacity = capacity;
    this.errorRate = errorRate;
    const each = Math.ceil(-Math.log(errorRate) / Math.LN2 ** 2);
    this.m = capacity * each;
    this.k = Math.round(Math.LN2 * each);
    this.words = Buffer.alloc(8 * (1 + Math.floor(this.m / 64)));
  }

  // at is the byte and the bit in it where bit number b of the filter lives.
  at(b) {
    const word = 8 * Math.floor(b / 64);
    const byte = Math.floor((b % 64) / 8);
    return [this.kind === 'nim' ? word + byte : word + 7 - byte, 1 << (b % 8)];
  }

  add(id) {
    for (const b of bits(this.kind, id, this.k, this.m)) {
      const [byte, bit] = this.at(b);
      this.words[byte] |= bit;
    }
  }

  has(id) {
    return bits(this.kind, id, this.k, this.m).every((b) => {
      const [byte, bit] = this.at(b);
      return (this.words[byte] & bit) !== 0;
    });
  }

  bytes() {
    if (this.kind === 'js') return this.words;
    return Buffer.concat([
      putBytesField(1, this.words), putVarintField(2, this.capacity),
      putVarintField(3, Math.trunc(this.errorRate * 1e6)), putVarintField(4, this.k), putVarintField(5, this.m),
    ]);
  }
}

export const newJS = () => new Filter('js', 10000, 0.001);

// readFilter reads the filter of a message in dialect, or returns undefined: it is ignored (R8).
export function readFilter(dialect, b) {
  if (b.length > 128 << 10) return undefined;
  if (dialect !== 'nim') {
    const f = newJS();
    if (b.length < f.words.length) return undefined;
    f.words = b;
    return f;
  }
  try {
    const v = {};
    for (const f of fields(b, 4096)) {
      if (f.number < 1n || f.number > 5n || f.type !== (f.number === 1n ? 2 : 0)) continue;
      v[f.number] = f.value;
    }
    if ([1, 2, 3, 4, 5].some((n) => v[n] === undefined)) return undefined;
    if (v[4] < 1n || v[4] > 64n || v[5] < 1n || v[5] > 8n * BigInt(v[1].length)) return undefined;
    const f = new Filter('nim', 1, 0.5);
    return Object.assign(f, { words: v[1], k: Number(v[4]), m: Number(v[5]) });
  } catch {
    return undefined;
  }
}

// nimRolling is what nim-sds keeps (11.2): over 1.2 times the capacity the filter is made anew.
export function nimRolling(ids, capacity, errorRate) {
  let f = new Filter('nim', capacity, errorRate);
  let kept = [];
  const most = Math.floor(1.2 * capacity);
  for (const id of ids) {
    kept.push(id);
    if (kept.length > most) {
      kept = kept.slice(-Math.floor(0.8 * capacity));
      f = new Filter('nim', most, errorRate);
      kept.forEach((k) => f.add(k));
    } else f.add(id);
  }
  return f;
}
