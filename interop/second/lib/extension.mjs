// The extension (wire.md 2.3) and the census in it (proof.md R128).
import { Refused, fields, putBytesField, putUvarint, putVarintField } from './protobuf.mjs';

// Members by number. Packed lists have the size of an element and the most elements.
const members = new Map([
  [1, { name: 'version', type: 0 }],
  [2, { name: 'incarnation', type: 5 }],
  [3, { name: 'sequence', type: 0 }],
  [4, { name: 'groupSize', type: 0, max: 255n }],
  [5, { name: 'roundTrip', type: 0, max: 255n }],
  [6, { name: 'fingerprint', type: 1 }],
  [7, { name: 'base', type: 0 }],
  [8, { name: 'holes', type: 2, size: 8, most: 8 }],
  [9, { name: 'want', type: 2, size: 8, most: 64 }],
  [10, { name: 'census', type: 2, most: 64 }],
  [11, { name: 'digest', type: 2, most: 2048 }],
  [12, { name: 'ask', type: 2, size: 4, most: 32 }],
  [13, { name: 'wantFrom', type: 0 }],
  [14, { name: 'wantTo', type: 0 }],
]);

// A fingerprint of 0 and an empty ask say something; other members that are 0 or empty do not.
const countsWhenEmpty = (name) => name === 'fingerprint' || name === 'ask';

function list(b, m) {
  if (b.length % m.size !== 0 || b.length / m.size > m.most) throw new Refused(m.name);
  const out = [];
  for (let i = 0; i < b.length; i += m.size) {
    out.push(m.size === 8 ? b.readBigUInt64LE(i) : BigInt(b.readUInt32LE(i)));
  }
  return out;
}

// decodeExtension reads it or returns undefined: a bad one counts as absent (R7).
export function decodeExtension(bytes) {
  const x = {};
  try {
    for (const f of fields(bytes, Infinity)) {
      if (f.number === 0n || f.number >= 1n << 29n) throw new Refused('member number');
      const m = f.number < 100n ? members.get(Number(f.number)) : undefined;
      if (!m) continue;
      if (f.type !== m.type) throw new Refused(m.name);
      let v = f.value;
      if (m.type === 0 && m.max !== undefined && v > m.max) throw new Refused(m.name);
      if (m.type === 1) v = v.readBigUInt64LE(0);
      else if (m.type === 5) v = BigInt(v.readUInt32LE(0));
      else if (m.type === 2 && m.size) v = list(v, m);
      else if (m.type === 2 && v.length > m.most) throw new Refused(m.name);
      x[m.name] = v;
    }
  } catch (err) {
    if (err instanceof Refused) return undefined;
    throw err;
  }
  for (const { name } of members.values()) {
    const v = x[name];
    if (v !== undefined && !countsWhenEmpty(name) && (v === 0n || v.length === 0)) delete x[name];
  }
  return x;
}

export function encodeExtension(x) {
  const parts = [];
  for (const [no, m] of members) {
    const v = x[m.name];
    if (v === undefined) continue;
    if (!countsWhenEmpty(m.name) && (v === 0n || v.length === 0)) continue;
    if (m.type === 0) parts.push(putVarintField(no, v));
    else if (m.type === 2) {
      parts.push(putBytesField(no, m.size ? Buffer.concat(v.map((n) => little(n, m.size))) : v));
    } else parts.push(putUvarint(no * 8 + m.type), little(v, m.type === 1 ? 8 : 4));
  }
  return Buffer.concat(parts);
}

function little(n, size) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(n);
  return b.subarray(0, size);
}
