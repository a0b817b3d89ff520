// Messages as bytes, in the dialects LIP and nim (wire.md 2, R1 to R8). JS is LIP on the wire.
import { raw } from './bytes.mjs';
import { Refused, fields, putBytesField, putVarintField } from './protobuf.mjs';

export { Refused };

const numbers = {
  lip: { sender: 1, id: 2, channel: 3, lamport: 10, history: 11, filter: 12, requests: 13, content: 20, extension: 100 },
  nim: { sender: 7, id: 1, channel: 4, lamport: 2, history: 3, filter: 6, requests: 13, content: 5, extension: 100 },
};

const names = Object.fromEntries(
  Object.entries(numbers).map(([d, t]) => [d, new Map(Object.entries(t).map(([name, no]) => [no, name]))]),
);

// The limits of 2.2 (R5).
export const limits = {
  message: 4 << 20,
  fields: 4096,
  id: 512,
  hint: 1024,
  entries: 512,
  entryBytes: 64 << 10,
  filter: 128 << 10,
  extension: 16 << 10,
  unknown: 64 << 10,
  content: 1 << 20,
};

// tell says which dialect the fields are in (R1, in the order of section 2).
function tell(all) {
  if (all.some((f) => f.number === 2n && f.type === 0)) return 'nim';
  if (all.some((f) => f.number === 2n && f.type === 2)) return 'lip';
  if (all.some((f) => [10n, 11n, 12n, 20n].includes(f.number))) return 'lip';
  if (all.some((f) => [4n, 5n, 6n, 7n].includes(f.number))) return 'nim';
  return 'lip';
}

function bounded(b, limit, what) {
  if (b.length > limit) throw new Refused(`${what} above its limit`);
  return b;
}

const asString = (b, what) => bounded(b, limits.id, what).toString('latin1');

// A bare id (R4): 1 to 128 bytes of printable ASCII.
const isBare = (b) => b.length >= 1 && b.length <= 128 && b.every((c) => c >= 0x21 && c <= 0x7e);

// entry reads a member of a history or a request. What is absent stays undefined, but for the id.
function entry(b, dialect, mayBeBare, budget) {
  if (++budget.entries > limits.entries) throw new Refused('too many entries');
  budget.bytes += b.length;
  if (budget.bytes > limits.entryBytes) throw new Refused('entries above their limit');
  if (dialect === 'nim' && mayBeBare && isBare(b)) return { id: b.toString('latin1'), bare: true };
  const e = {};
  for (const f of fields(b, Infinity)) {
    const known = f.number >= 1n && f.number <= 3n;
    if (dialect === 'lip') {
      if (f.number === 0n || f.number >= 1n << 29n) throw new Refused('field number');
      if (known && f.type !== 2) throw new Refused('type of an entry');
    }
    if (!known || f.type !== 2) continue;
    if (f.number === 1n) e.id = asString(f.value, 'id');
    else if (f.number === 2n) e.hint = Buffer.from(bounded(f.value, limits.hint, 'hint'));
    else e.sender = asString(f.value, 'sender');
  }
  if (e.id === undefined) {
    if (dialect === 'nim') throw new Refused('entry without id');
    e.id = '';
  }
  return e;
}

// decode reads a message or throws Refused.
export function decode(bytes) {
  bounded(bytes, limits.message, 'message');
  const all = fields(bytes, limits.fields);
  const dialect = tell(all);
  const m = { dialect, history: [], requests: [], unknown: [], empty: new Set() };
  const budget = { entries: 0, bytes: 0 };
  let unknownBytes = 0;
  for (const f of all) {
    if (dialect === 'lip' && (f.number === 0n || f.number >= 1n << 29n)) throw new Refused('field number');
    const name = f.number < 1000n ? names[dialect].get(Number(f.number)) : undefined;
    const fits = name && f.type === (name === 'lamport' ? 0 : 2);
    if (name && !fits && dialect === 'lip') throw new Refused(`wire type of ${name}`);
    if (!fits) {
      if ((unknownBytes += f.bytes.length) > limits.unknown) throw new Refused('unknown fields above their limit');
      m.unknown.push(f.bytes);
      continue;
    }
    switch (name) {
      case 'lamport': m.lamport = f.value; break;
      case 'history': m.history.push(entry(f.value, dialect, true, budget)); break;
      case 'requests': m.requests.push(entry(f.value, dialect, false, budget)); break;
      case 'content': m.content = f.value; break; // a channel bounds it
      case 'filter': case 'extension': m[name] = bounded(f.value, limits[name], name); break;
      default:
        m[name] = asString(f.value, name);
        if (!m[name]) m.empty.add(name); // written again, though empty (R2)
    }
  }
  if (dialect === 'nim') {
    if (m.id === undefined || m.channel === undefined) throw new Refused('no id or channel');
  } else if (m.lamport === undefined && !m.content?.length) {
    throw new Refused('no kind');
  }
  m.id ??= '';
  m.sender ??= '';
  m.channel ??= '';
  return m;
}

// timestamp of a message. nim has no ephemeral messages: there an absent number is 0, and stays
// absent when the message is written again (R2).
export const timestamp = (m) => m.lamport ?? (m.dialect === 'nim' ? 0n : undefined);

// kind of a message (R6). Empty content is none.
export function kind(m) {
  if (timestamp(m) === undefined) return 'ephemeral';
  return m.content?.length ? 'content' : 'sync';
}

function putEntry(number, e, nim) {
  if (e.bare) return putBytesField(number, raw(e.id));
  const parts = [];
  if (e.id || nim) parts.push(putBytesField(1, raw(e.id)));
  if (e.hint !== undefined) parts.push(putBytesField(2, e.hint));
  if (e.sender !== undefined) parts.push(putBytesField(3, raw(e.sender)));
  return putBytesField(number, Buffer.concat(parts));
}

// encode writes a message (2.1): fields in ascending order, unknown ones after them. What is
// undefined is absent; who writes nim gives it an empty filter and content where there is none.
export function encode(m) {
  const { dialect } = m;
  const parts = [];
  for (const [no, name] of [...names[dialect]].sort((a, b) => a[0] - b[0])) {
    switch (name) {
      case 'sender': case 'id': case 'channel':
        if (m[name] || m.empty?.has(name)) parts.push(putBytesField(no, raw(m[name])));
        break;
      case 'lamport': if (m.lamport !== undefined) parts.push(putVarintField(no, m.lamport)); break;
      case 'history': case 'requests':
        for (const e of m[name] ?? []) parts.push(putEntry(no, e, dialect === 'nim'));
        break;
      default: if (m[name] !== undefined) parts.push(putBytesField(no, m[name]));
    }
  }
  return Buffer.concat([...parts, ...(m.unknown ?? [])]);
}
