// A census on the wire (R128) and its arithmetic (proof.md 9.1).
import { be32, be64, first64, raw, sha256 } from './bytes.mjs';
import { Refused, putUvarint, uvarint } from './protobuf.mjs';

// decodeCensus reads the parts: {ask, map, reports}. It throws Refused: then all of it is absent.
export function decodeCensus(b) {
  const out = {};
  let pos = 0;
  while (pos < b.length) {
    if (pos + 2 > b.length || pos + 2 + b[pos + 1] > b.length) throw new Refused('census cut off');
    const body = b.subarray(pos + 2, pos + 2 + b[pos + 1]);
    switch (b[pos]) {
      case 1: out.ask = decodeAsk(body); break;
      case 2:
        if (body.length > 20) throw new Refused('map above its limit');
        out.map = body;
        break;
      case 3:
        if (body.length % 8 || body.length > 40) throw new Refused('reports');
        out.reports = [];
        for (let i = 0; i < body.length; i += 8) out.reports.push(body.readBigUInt64LE(i));
        break;
      default: // skipped
    }
    pos += 2 + body.length;
  }
  return out;
}

function decodeAsk(b) {
  let [size, pos] = uvarint(b, 0);
  let spreadMs;
  [spreadMs, pos] = uvarint(b, pos);
  if (size >> 32n || spreadMs >> 32n || b.length - pos !== 20) throw new Refused('ask');
  return {
    size: Number(size),
    spreadMs: Number(spreadMs),
    version: b.readUInt32LE(pos),
    subject: b.readBigUInt64LE(pos + 4),
    seed: b.readBigUInt64LE(pos + 12),
  };
}

export function encodeCensus({ ask, map, reports }) {
  const parts = [];
  const part = (kind, body) => parts.push(Buffer.from([kind, body.length]), body);
  if (ask) {
    const fixed = Buffer.alloc(20);
    fixed.writeUInt32LE(ask.version);
    fixed.writeBigUInt64LE(ask.subject, 4);
    fixed.writeBigUInt64LE(ask.seed, 12);
    part(1, Buffer.concat([putUvarint(ask.size), putUvarint(ask.spreadMs), fixed]));
  }
  if (map) part(2, map);
  if (reports) {
    const body = Buffer.alloc(8 * reports.length);
    reports.forEach((r, i) => body.writeBigUInt64LE(r, 8 * i));
    part(3, body);
  }
  return Buffer.concat(parts);
}

// sampled: the person's hash, the limit, and whether it is in the sample (R121).
export function sampled(person, seed, version, size, persons) {
  const hashed = Buffer.concat([raw('causeway/census/1'), be64(seed), be32(version), raw(person)]);
  const hash = first64(sha256(hashed));
  const limit = (BigInt(size) << 64n) / BigInt(persons);
  return { hashed, hash, limit, asked: persons <= size || hash < limit };
}

// enough is how many of a sample must be known to have a message for the verdict yes (R124).
export function enough(sample, persons, want) {
  if (sample >= persons) return Math.ceil(want * persons);
  if (want >= 1) return sample + 1; // a sample can't show it
  const delta = Math.min(1 - want, 0.15);
  const p1 = want + delta / 2;
  const p0 = Math.max(want - delta, want / 2);
  const each = Math.log((1 - p0) / (1 - p1)) / Math.log((p1 * (1 - p0)) / (p0 * (1 - p1)));
  return Math.ceil(sample * each);
}

// interval is Wilson's at 95 %, corrected for a finite group (R125).
export function interval(heard, sample, persons) {
  const p = heard / sample;
  const z2 = (1.95996398454 ** 2 * (persons - sample)) / (persons - 1);
  const middle = p + z2 / (2 * sample);
  const half = Math.sqrt(z2 * ((p * (1 - p)) / sample + z2 / (4 * sample * sample)));
  const all = 1 + z2 / sample;
  return { low: Math.max(0, (middle - half) / all), high: Math.min(1, (middle + half) / all) };
}
