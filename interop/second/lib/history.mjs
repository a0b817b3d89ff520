// What a message names (R30, R31, R80, R81) and the filter that goes with it (R80, R82).
import { Filter, newJS } from './filter.mjs';

const most = { lip: 20, js: 200, nim: 10 };

// contentHistory returns entries of the log, oldest first.
export function contentHistory(log, dialect, self, limit = most[dialect]) {
  if (limit <= 0) return [];
  const heads = log.headList();
  if (heads.length <= limit) return dialect === 'lip' ? heads : addUnnamed(log, heads, limit);
  // The oldest, and the head that leads to our last message.
  const named = heads.slice(0, limit);
  const ours = lastOwn(log, self);
  if (ours && !named.some((h) => log.ancestorsOf([h.id]).has(ours.id))) {
    const leads = heads.slice(limit).find((h) => log.ancestorsOf([h.id]).has(ours.id));
    if (leads) named.splice(limit - 1, 1, leads);
  }
  return named;
}

function lastOwn(log, self) {
  for (let i = log.entries.length - 1; i >= 0; i--) {
    const e = log.entries[i];
    if (e.sender === self && e.dialect === log.dialect) return e;
  }
  return undefined;
}

// syncHistory names the heads, the newest if there are more than 20; JS and nim as content.
export function syncHistory(log, dialect, self, limit = most[dialect]) {
  if (dialect === 'nim') return contentHistory(log, dialect, self, limit);
  return log.headList().slice(-Math.min(limit, 20) || Infinity);
}

// unnamed are others' messages that deployed peers would not count as acknowledged (11.2): nobody
// but their author was heard to name them, nor do we know that a message of ours arrived that does.
// By position.
const unnamed = (log) => log.arrival.map((id) => log.get(id)).filter((e) => !e.own && !e.named && !log.knownToAuthor(e));

// addUnnamed fills a history up with these, the newest that came first.
function addUnnamed(log, heads, limit) {
  const named = [...heads];
  for (const e of unnamed(log).reverse()) {
    if (named.length >= limit) break;
    if (!log.heads.has(e.id)) named.push(e);
  }
  return log.ordered(named.map((e) => e.id));
}

// filterFor returns the bytes of the filter field, or undefined for none.
export function filterFor(log, dialect, history) {
  if (dialect === 'lip') return undefined;
  const names = new Set(history.map((e) => e.id));
  if (dialect === 'js') {
    const more = [...log.headList(), ...unnamed(log)].some((e) => !names.has(e.id));
    if (!more) return undefined;
    const f = newJS();
    log.arrival.slice(-8000).forEach((id) => f.add(id));
    return f.bytes();
  }
  const received = log.arrival.filter((id) => !log.get(id).own);
  const newest = received.slice(-256);
  if (newest.every((id) => names.has(id))) return Buffer.alloc(0);
  const f = new Filter('nim', 256, 0.0001);
  newest.forEach((id) => f.add(id));
  return f.bytes();
}
