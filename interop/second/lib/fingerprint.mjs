// What a participant claims to have (proof.md 6.1, R51 and R52).
import { be32, be64, first64, sha256, sized } from './bytes.mjs';

const modulus = 1n << 256n;

const littleToNumber = (b) => BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`);

export function numberToLittle(n) {
  return Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse();
}

export const leafBytes = (id, parents, content) =>
  sha256(sized(id), be32(parents.length), ...parents.map(sized), sha256(content));

export const leaf = (id, parents, content) => littleToNumber(leafBytes(id, parents, content));

export const plus = (a, b) => (a + b) % modulus;
export const minus = (a, b) => (a - b + modulus) % modulus;

export function fingerprint(participant, channel, sum, count, base) {
  return first64(sha256(sized(participant), sized(channel), numberToLittle(sum), be64(count), be64(base)));
}
