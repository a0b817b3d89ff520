// What somebody named and is not here (R39, R62, R63, R65), and what others ask us for (R64).
import { requestMs, answerMs, requestBackOff, sameGroup } from './timers.mjs';

const grttMs = 1000;
const ignore = 3 * grttMs;
const fiveMinutes = 300_000;

export class Holes {
  constructor(config) {
    this.config = config;
    this.open = new Map();
  }

  // named: somebody's message names an id that is not here. It returns the hole, if there is room
  // for it, and whether a request for it was planned just now.
  named({ id, sender, hint }, by, trusted, now) {
    let h = this.open.get(id);
    if (!h) {
      if (!this.room(by)) return {};
      h = { id, sender, hint, by, namers: new Set(), trusted: false, since: now, requests: 0, given: false };
      this.open.set(id, h);
    }
    h.hint ??= hint;
    h.sender ||= sender;
    h.namers.add(by);
    const planned = !h.trusted && (trusted || h.namers.size >= 2) && this.config.repair;
    if (planned) {
      h.trusted = true;
      h.due = now + this.firstWait(h);
    }
    return { hole: h, planned };
  }

  // A message in quarantine is here and has no place: it is waited for as long as a hole, and not
  // asked for.
  hidden(id) {
    const h = this.open.get(id);
    if (h) h.hidden = true;
  }

  quarantined(e, by, now) {
    if (this.open.has(e.id) || this.named(e, by, false, now).hole) this.hidden(e.id);
  }

  // room for one more that this sender names (R39): what was given up first makes it.
  room(by) {
    const of = [...this.open.values()].filter((h) => h.by === by);
    const full = of.length >= 256 ? of : this.open.size >= 4096 ? [...this.open.values()] : undefined;
    if (!full) return true;
    const oldest = full.find((h) => h.given);
    if (oldest) this.open.delete(oldest.id);
    return oldest !== undefined;
  }

  // firstWait is T_req of deployed peers: what --t-min and --t-max set (peers.md 11.3).
  firstWait(h) {
    const { hashKind, sender, tMin, tMax } = this.config;
    return requestMs(hashKind, sender, h.id, tMin, tMax);
  }

  came(id) {
    this.open.delete(id);
  }

  // due requests, the longest overdue first. They count as made (R63).
  take(now, most) {
    const due = [...this.open.values()].filter((h) => h.trusted && !h.hidden && h.due <= now).sort((a, b) => a.due - b.due);
    const taken = due.slice(0, most);
    taken.forEach((h) => this.putOff(h, now));
    return taken.map(({ id, sender, hint }) => ({ id, sender: sender || undefined, hint }));
  }

  // othersAsk puts ours off and forgets nothing (R63).
  othersAsk(id, now) {
    const h = this.open.get(id);
    if (h?.trusted) this.putOff(h, now);
  }

  putOff(h, now) {
    h.requests++;
    const wait = requestBackOff(h.requests, grttMs * 1e6, fiveMinutes * 1e6) / 1e6;
    h.due = now + Math.max(this.firstWait(h), wait);
  }

  // giveUp the holes that are as old as the timeout, once each (R65).
  giveUp(now) {
    const { lostTimeout } = this.config;
    if (!(lostTimeout > 0)) return [];
    const lost = [...this.open.values()].filter((h) => !h.given && now - h.since >= lostTimeout);
    lost.forEach((h) => { h.given = true; });
    return lost.map((h) => h.id);
  }

  missing() {
    return [...this.open.values()].filter((h) => !h.given && !h.hidden).map((h) => h.id);
  }
}

export class Answers {
  constructor(config) {
    this.config = config;
    this.planned = new Map(); // id → due
    this.given = new Map(); // id → {count, last}
  }

  // asked plans an answer and returns when it is due, or undefined.
  asked(id, author, now) {
    const { config } = this;
    if (!config.repair || this.planned.has(id)) return undefined;
    if (author !== config.sender && !sameGroup(config.hashKind, config.sender, author, id, config.groups)) return undefined;
    const before = this.given.get(id);
    if (before) {
      const rest = Math.min(ignore * 2 ** Math.max(0, before.count - 4), fiveMinutes);
      if (now - before.last < rest) return undefined;
    }
    const wait = author === config.sender ? 0 : answerMs(config.hashKind, config.sender, author, id, config.tMax);
    this.planned.set(id, now + wait);
    return now + wait;
  }

  heard(id) {
    this.planned.delete(id);
  }

  take(now) {
    const due = [...this.planned].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]).map(([id]) => id);
    for (const id of due) {
      this.planned.delete(id);
      this.given.set(id, { count: (this.given.get(id)?.count ?? 0) + 1, last: now });
    }
    return due;
  }
}
