// Payloads of several messages (host.md 16, R140 and R142).
import { keccak256 } from './keccak.mjs';
import { parityOf, recover } from './leopard.mjs';
import { fields, putBytesField, putVarintField } from './protobuf.mjs';

function encodeSegment(s) {
  const parts = [putBytesField(1, s.hash)];
  const numbers = [[2, s.length], [3, s.index], [4, s.data], [5, s.parity], [6, s.isParity ? 1 : 0]];
  for (const [no, v] of numbers) if (v) parts.push(putVarintField(no, v));
  if (s.payload.length) parts.push(putBytesField(7, s.payload));
  return Buffer.concat(parts);
}

function decodeSegment(b) {
  const s = { length: 0, index: 0, data: 0, parity: 0, isParity: false, payload: Buffer.alloc(0) };
  const names = { 2: 'length', 3: 'index', 4: 'data', 5: 'parity' };
  for (const f of fields(b, 4096)) {
    const no = Number(f.number);
    if (no === 1) s.hash = f.value;
    else if (no === 6) s.isParity = f.value !== 0n;
    else if (no === 7) s.payload = f.value;
    else if (names[no]) s[names[no]] = Number(f.value);
  }
  return s;
}

// split a payload: its data segments, then parity, as bytes.
export function split(payload, segmentSize, parityPerData) {
  const size = Math.floor((segmentSize - 128) / 64) * 64;
  const data = Math.max(1, Math.ceil(payload.length / size));
  const parity = Math.ceil(data * parityPerData);
  const pieces = Array.from({ length: data }, (_, i) => payload.subarray(i * size, (i + 1) * size));
  const common = { hash: keccak256(payload), length: payload.length, data, parity };
  const out = pieces.map((p, index) => encodeSegment({ ...common, index, payload: p }));
  if (parity > 0) {
    parityOf(pieces.map((p) => filled(p, size)), parity).forEach((p, index) => {
      out.push(encodeSegment({ ...common, index, isParity: true, payload: p }));
    });
  }
  return { hash: common.hash, segments: out };
}

function filled(piece, size) {
  return piece.length === size ? piece : Buffer.concat([piece, Buffer.alloc(size - piece.length)]);
}

// join makes the payload of some of its segments, or returns undefined.
export function join(segments) {
  const read = segments.map(decodeSegment);
  const { data, parity, length, hash } = read[0];
  const size = read.reduce((most, s) => Math.max(most, s.payload.length), 0);
  const pieces = new Array(data).fill(undefined);
  const parities = new Array(parity).fill(undefined);
  for (const s of read) (s.isParity ? parities : pieces)[s.index] = filled(s.payload, size);
  if (!recover(pieces, parities)) return undefined;
  const payload = Buffer.concat(pieces).subarray(0, length);
  return keccak256(payload).equals(hash) ? payload : undefined;
}
