// Protobuf fields (wire.md 2): tags, varints, lengths. Reading one field costs what it is long.

const max64 = 1n << 64n;

export class Refused extends Error {}

// uvarint reads a varint of at most 64 bits at pos: [value, next].
export function uvarint(b, pos) {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    if (pos + i >= b.length) throw new Refused('cut off');
    const byte = b[pos + i];
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) {
      if (value >= max64) throw new Refused('varint above 64 bits');
      return [value, pos + i + 1];
    }
  }
  throw new Refused('varint above 64 bits');
}

export function putUvarint(n) {
  let v = BigInt(n);
  const out = [];
  while (v >= 0x80n) {
    out.push(Number(v & 0x7fn) | 0x80);
    v >>= 7n;
  }
  out.push(Number(v));
  return Buffer.from(out);
}

// fields reads all fields of b, at most limit: {number, type, value, bytes}. number is a BigInt, as
// the tag may be anything; bytes are the field as it came. A value is a BigInt or, of types 1, 2
// and 5, a view of b.
export function fields(b, limit) {
  const out = [];
  let pos = 0;
  while (pos < b.length) {
    if (out.length >= limit) throw new Refused('too many fields');
    const start = pos;
    let tag;
    [tag, pos] = uvarint(b, pos);
    const type = Number(tag & 7n);
    let value;
    if (type === 0) {
      [value, pos] = uvarint(b, pos);
    } else {
      let length;
      if (type === 1) length = 8n;
      else if (type === 5) length = 4n;
      else if (type === 2) [length, pos] = uvarint(b, pos);
      else throw new Refused(`wire type ${type}`);
      if (length > BigInt(b.length - pos)) throw new Refused('cut off');
      value = b.subarray(pos, pos + Number(length));
      pos += Number(length);
    }
    out.push({ number: tag >> 3n, type, value, bytes: b.subarray(start, pos) });
  }
  return out;
}

export const putVarintField = (number, n) => Buffer.concat([putUvarint(number * 8), putUvarint(n)]);

export function putBytesField(number, b) {
  return Buffer.concat([putUvarint(number * 8 + 2), putUvarint(b.length), b]);
}
