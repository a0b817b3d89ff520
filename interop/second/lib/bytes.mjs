// Bytes and the one string type of this peer: ids are strings of bytes (wire.md 2.2, "strings are
// bytes"), kept as latin1, so that comparing them compares bytes.
import { createHash } from 'node:crypto';

export const raw = (s) => Buffer.from(s, 'latin1');
export const fromText = (text) => Buffer.from(text, 'utf8').toString('latin1');
export const toText = (id) => Buffer.from(id, 'latin1').toString('utf8');
export const hex = (h) => Buffer.from(h, 'hex');

export function be32(n) {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
}

export function be64(n) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(BigInt.asUintN(64, BigInt(n)));
  return b;
}

export function le64(n) {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(n)));
  return b;
}

// sized is a part preceded by its length in 4 bytes, as in most hashes of the specification.
export function sized(part) {
  const b = typeof part === 'string' ? raw(part) : part;
  return Buffer.concat([be32(b.length), b]);
}

export const sha256 = (...parts) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};

export const first64 = (digest) => digest.readBigUInt64BE(0);
