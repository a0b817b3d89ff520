// Keccak-256 as submitted to NIST (host.md 16.1): padding 0x01, not that of SHA-3.

const mask = (1n << 64n) - 1n;
const rotl = (v, by) => (by ? ((v << BigInt(by)) | (v >> BigInt(64 - by))) & mask : v);
const rate = 136;

// The constants of all rounds come from a shift register, the offsets from a walk over the lanes.
const roundConstants = (() => {
  const out = [];
  let lfsr = 1;
  for (let round = 0; round < 24; round++) {
    let c = 0n;
    for (let j = 0; j < 7; j++) {
      if (lfsr & 1) c |= 1n << BigInt(2 ** j - 1);
      lfsr = lfsr & 0x80 ? ((lfsr << 1) ^ 0x171) & 0xff : lfsr << 1;
    }
    out.push(c);
  }
  return out;
})();

function permute(a) {
  for (const constant of roundConstants) {
    const column = [0, 1, 2, 3, 4].map((x) => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
    for (let i = 0; i < 25; i++) a[i] ^= column[(i + 4) % 5] ^ rotl(column[(i + 1) % 5], 1);
    let [x, y] = [1, 0];
    let current = a[1];
    for (let t = 0; t < 24; t++) {
      [x, y] = [y, (2 * x + 3 * y) % 5];
      const at = x + 5 * y;
      [current, a[at]] = [a[at], rotl(current, (((t + 1) * (t + 2)) / 2) % 64)];
    }
    for (let row = 0; row < 25; row += 5) {
      const r = a.slice(row, row + 5);
      for (let i = 0; i < 5; i++) a[row + i] = r[i] ^ (~r[(i + 1) % 5] & mask & r[(i + 2) % 5]);
    }
    a[0] ^= constant;
  }
}

export function keccak256(b) {
  const padded = Buffer.alloc(rate * (Math.floor(b.length / rate) + 1));
  b.copy(padded);
  padded[b.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const a = new Array(25).fill(0n);
  for (let at = 0; at < padded.length; at += rate) {
    for (let i = 0; i < rate / 8; i++) a[i] ^= padded.readBigUInt64LE(at + 8 * i);
    permute(a);
  }
  const out = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) out.writeBigUInt64LE(a[i], 8 * i);
  return out;
}
