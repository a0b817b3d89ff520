// The cipher of host.md 25 (R93): XChaCha20-Poly1305 under keys of a shared secret.
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { raw } from './bytes.mjs';

export function sealKeys(secret) {
  const all = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'causeway/seal/1', 40));
  return { key: all.subarray(0, 32), name: all.subarray(32) };
}

// hChaCha20 makes the key of one message from the first 16 bytes of its nonce.
function hChaCha20(key, nonce) {
  const s = new Uint32Array(16);
  const constants = raw('expand 32-byte k');
  for (let i = 0; i < 4; i++) s[i] = constants.readUInt32LE(4 * i);
  for (let i = 0; i < 8; i++) s[4 + i] = key.readUInt32LE(4 * i);
  for (let i = 0; i < 4; i++) s[12 + i] = nonce.readUInt32LE(4 * i);
  const turn = (to, by) => { s[to] = (s[to] << by) | (s[to] >>> (32 - by)); };
  const quarter = (a, b, c, d) => {
    s[a] += s[b]; s[d] ^= s[a]; turn(d, 16);
    s[c] += s[d]; s[b] ^= s[c]; turn(b, 12);
    s[a] += s[b]; s[d] ^= s[a]; turn(d, 8);
    s[c] += s[d]; s[b] ^= s[c]; turn(b, 7);
  };
  for (let i = 0; i < 10; i++) {
    for (let j = 0; j < 4; j++) quarter(j, 4 + j, 8 + j, 12 + j);
    for (let j = 0; j < 4; j++) quarter(j, 4 + ((j + 1) % 4), 8 + ((j + 2) % 4), 12 + ((j + 3) % 4));
  }
  const out = Buffer.alloc(32);
  [0, 1, 2, 3, 12, 13, 14, 15].forEach((w, i) => out.writeUInt32LE(s[w], 4 * i));
  return out;
}

const inner = (nonce) => Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]);
const options = { authTagLength: 16 };

export function seal(secret, channel, message, nonce) {
  const { key, name } = sealKeys(secret);
  const head = Buffer.concat([Buffer.from([1]), name]);
  const c = createCipheriv('chacha20-poly1305', hChaCha20(key, nonce), inner(nonce), options);
  c.setAAD(Buffer.concat([head, raw(channel)]), { plaintextLength: message.length });
  return Buffer.concat([head, nonce, c.update(message), c.final(), c.getAuthTag()]);
}

// open returns the message, or says why not: 'not for me' or 'tampered with'.
export function open(secret, channel, sealed) {
  const { key, name } = sealKeys(secret);
  const head = Buffer.concat([Buffer.from([1]), name]);
  if (!sealed.subarray(0, 9).equals(head)) return 'not for me';
  if (sealed.length < 49) return 'tampered with';
  const nonce = sealed.subarray(9, 33);
  const body = sealed.subarray(33, sealed.length - 16);
  const d = createDecipheriv('chacha20-poly1305', hChaCha20(key, nonce), inner(nonce), options);
  d.setAAD(Buffer.concat([head, raw(channel)]), { plaintextLength: body.length });
  d.setAuthTag(sealed.subarray(sealed.length - 16));
  try {
    return Buffer.concat([d.update(body), d.final()]);
  } catch {
    return 'tampered with';
  }
}
