// What is known of the channels, from the API's answers and events.

import { get, channelPath, text } from "./api.js";

const shown = 200; // messages of a channel that are kept here
const asked = 50; // own messages whose receipts are asked for at the start

export const channels = new Map();

function channel(id) {
  if (!channels.has(id)) channels.set(id, { id, status: null, members: null, messages: new Map(), gaps: new Map(), sync: null });
  return channels.get(id);
}

export function forget(id) {
  channels.delete(id);
}

// load reads a channel as it is.
export async function load(id) {
  const c = channel(id);
  const [status, roster, log, gaps] = await Promise.all([
    get(channelPath(id)), get(channelPath(id, "/roster")), get(channelPath(id, `/messages?descending=true&limit=${shown}`)), get(channelPath(id, "/gaps?limit=1000")),
  ]);
  c.status = status;
  c.members = roster.roster && roster.roster.members;
  for (const m of log.messages.reverse()) put(c, m);
  for (const g of gaps.gaps) c.gaps.set(g.id, { ...g, since: g.timestamp });
  const own = [...c.messages.values()].filter((m) => m.own).slice(-asked);
  await Promise.all(own.map(async (m) => {
    try {
      m.receipt = await get(channelPath(id, `/messages/${encodeURIComponent(m.id)}/receipt`));
    } catch {
      // An ephemeral message has none.
    }
  }));
  return c;
}

// put takes a message in, or what is new about it.
function put(c, m) {
  const known = c.messages.get(m.id) || { receipt: null };
  c.messages.set(m.id, { ...known, ...m, text: text(m.payload) });
  if (c.messages.size <= shown) return;
  const oldest = ordered(c)[0];
  c.messages.delete(oldest.id);
}

// ordered returns the messages as all members order them, those without a place last.
export function ordered(c) {
  return [...c.messages.values()].sort((a, b) => !a.position - !b.position || a.lamport - b.lamport || (a.id < b.id ? -1 : 1));
}

// take takes an event in, and returns its channel.
export function take(e) {
  if (!e.channel || !channels.has(e.channel)) return null;
  const c = channels.get(e.channel);
  switch (e.kind) {
    case "arrived":
    case "delivered": {
      put(c, e.message);
      const gap = c.gaps.get(e.id);
      if (gap) c.messages.get(e.id).repaired = (e.timestamp - gap.since) / 1e9;
      break;
    }
    case "receipt": {
      const m = c.messages.get(e.id);
      if (!m) break; // it is too old to be shown
      const known = m.receipt ? m.receipt.persons : [];
      m.receipt = { ...m.receipt, ...e.receipt, persons: [...new Set([...known, ...e.receipt.persons])] };
      break;
    }
    case "gap": {
      const before = c.gaps.get(e.id);
      const m = c.messages.get(e.id);
      if (e.gap.state === "recovered" && before) {
        before.state = "recovered";
        before.took = (e.timestamp - before.since) / 1e9;
        if (m) m.repaired = before.took;
      } else if (e.gap.state === "recovered") c.gaps.delete(e.id);
      else c.gaps.set(e.id, { ...e.gap, since: before ? before.since : e.timestamp });
      trim(c.gaps);
      break;
    }
    case "sync":
      c.sync = e.sync;
  }
  return c;
}

// trim keeps the list of gaps short: those that are over go first.
function trim(gaps) {
  const over = [...gaps.values()].filter((g) => g.state === "recovered");
  for (const g of over.slice(0, Math.max(0, over.length - 5))) gaps.delete(g.id);
}

export const open = (c) => [...c.gaps.values()].filter((g) => g.state !== "recovered" && g.state !== "below-join");

// behind says of each other person how many of the own messages it is not known to have.
export function behind(c) {
  const own = [...c.messages.values()].filter((m) => m.own && m.receipt);
  const self = c.members && c.members[c.status.participant];
  const persons = new Set(c.members ? Object.values(c.members) : own.flatMap((m) => m.receipt.persons));
  persons.delete(self);
  return [...persons].sort().map((person) => ({
    person, of: own.length,
    lacks: own.filter((m) => m.receipt.level !== "everyone" && !m.receipt.persons.includes(person)).length,
  }));
}
