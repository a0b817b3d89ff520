// Message ids, short ids and short participants (wire.md 2.3 and 3, R10 to R13).
import { be32, be64, first64, sha256, sized } from './bytes.mjs';
import { kind, timestamp } from './wire.mjs';

const tags = { c1: 'causeway/id/1', y1: 'causeway/sync/1', e1: 'causeway/ephemeral/1' };

// hashedOf is what the id of a message is the hash of (R10).
export function hashedOf(prefix, channel, sender, lamport, parents, content) {
  return Buffer.concat([
    sized(tags[prefix]), sized(channel), sized(sender), be64(lamport),
    be32(parents.length), ...parents.map(sized), sized(content),
  ]);
}

export function makeId(prefix, channel, sender, lamport, parents, content) {
  const hash = sha256(hashedOf(prefix, channel, sender, lamport, parents, content));
  return prefix + hash.subarray(0, 20).toString('base64url');
}

export const contentHash = (content) => sha256(content).toString('hex');

const form = /^(c1|y1)[\s\S]{27}$/;
const digits = /^[0-9a-f]{64}$/;

// verify says what the id of a message is: 'verified', 'opaque' or 'refused' (R12, R13). channel is
// the dialect of the channel, which decides about nim messages under 64 hex digits.
export function verify(m, channelDialect = m.dialect) {
  const k = kind(m);
  const content = m.content ?? Buffer.alloc(0);
  const prefix = form.exec(m.id)?.[1];
  if (prefix) {
    if (k !== { c1: 'content', y1: 'sync' }[prefix]) return 'refused';
    const parents = m.history.map((e) => e.id);
    const want = makeId(prefix, m.channel, m.sender, timestamp(m), parents, content);
    return want === m.id ? 'verified' : 'refused';
  }
  if (!digits.test(m.id)) return 'opaque';
  if (m.dialect === 'nim') {
    return channelDialect === 'js' && contentHash(content) !== m.id ? 'refused' : 'opaque';
  }
  if (k === 'sync') return 'refused';
  return contentHash(content) === m.id ? 'verified' : 'refused';
}

export const shortHashed = (tag, channel, id) => Buffer.concat([sized(tag), sized(channel), sized(id)]);

export const shortId = (channel, id) => first64(sha256(shortHashed('causeway/short/1', channel, id)));

export const shortParticipant = (channel, who) =>
  BigInt(sha256(shortHashed('causeway/participant/1', channel, who)).readUInt32BE(0));

