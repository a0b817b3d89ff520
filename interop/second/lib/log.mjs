// The log of one participant: places, heads, sum, and what was named (log.md 4 and 5, R23, R24).
import { leaf, plus } from './fingerprint.mjs';

export const before = (a, b) => a.lamport < b.lamport || (a.lamport === b.lamport && a.id < b.id);

export class Log {
  constructor(dialect) {
    this.dialect = dialect; // of the wire: what is in the other one is never named (R31)
    this.entries = []; // in the order of their places
    this.byId = new Map();
    this.heads = new Set();
    this.parents = new Set(); // what the log names, in our dialect
    this.mentioned = new Map(); // participant → highest number of an own message that it named
    this.sum = 0n;
    this.count = 0;
    this.position = 0;
    this.arrival = []; // ids of our dialect by position
  }

  // add gives an entry {id, sender, lamport, dialect, parents, content} its place and
  // position. own is its number among our own messages, or 0.
  add(entry, own = 0) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(this.entries[middle], entry)) low = middle + 1;
      else high = middle;
    }
    const e = { ...entry, own, position: ++this.position };
    this.entries.splice(low, 0, e);
    this.byId.set(e.id, e);
    if (e.dialect !== this.dialect) return e;
    e.leaf = leaf(e.id, e.parents, e.content);
    this.sum = plus(this.sum, e.leaf);
    this.count++;
    this.arrival.push(e.id);
    for (const p of e.parents) {
      this.heads.delete(p);
      this.parents.add(p);
      const parent = this.byId.get(p);
      if (own && parent && !parent.namedIn) parent.namedIn = own;
    }
    if (!this.parents.has(e.id)) this.heads.add(e.id);
    e.reach = Math.max(own, 0, ...e.parents.map((p) => this.byId.get(p)?.reach ?? 0));
    if (e.parents.some((p) => this.byId.get(p)?.dialect !== this.dialect)) this.superfluous(e);
    return e;
  }

  // superfluous: e entered, but something that it names has no place here, so there is a gap in what
  // its sender wrote. Its sender's earlier heads will be named by nobody, most likely. (log.md 5;
  // reach keeps the one that leads furthest to our own.)
  superfluous(e) {
    for (const id of this.heads) {
      const h = this.byId.get(id);
      if (h.sender !== e.sender || h.lamport >= e.lamport) continue;
      const leads = h.reach > 0 && ![...this.heads].some((o) => o !== id && this.byId.get(o).reach >= h.reach);
      if (!leads) this.heads.delete(id);
    }
  }

  // heardNaming: a message of a sender names an id (of which the log may have the message).
  heardNaming(sender, id) {
    const e = this.byId.get(id);
    if (!e || e.sender === sender) return;
    e.named = true;
    if (e.own > (this.mentioned.get(sender) ?? 0)) this.mentioned.set(sender, e.own);
  }

  // knownToAuthor: a message of ours names e, and e's author named that one.
  knownToAuthor(e) {
    return e.namedIn > 0 && (this.mentioned.get(e.sender) ?? 0) >= e.namedIn;
  }

  get(id) {
    return this.byId.get(id);
  }

  // headList: the heads, oldest first.
  headList() {
    return this.ordered(this.heads);
  }

  ordered(ids) {
    return [...ids].map((id) => this.byId.get(id)).sort((a, b) => (before(a, b) ? -1 : 1));
  }

  // ancestorsOf ids, these included, as far as the log has them.
  ancestorsOf(ids) {
    const seen = new Set();
    const todo = ids.filter((id) => this.byId.has(id));
    while (todo.length) {
      const id = todo.pop();
      if (seen.has(id)) continue;
      seen.add(id);
      for (const p of this.byId.get(id).parents) if (this.byId.has(p) && !seen.has(p)) todo.push(p);
    }
    return seen;
  }
}
