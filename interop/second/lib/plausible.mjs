// Whose timestamps are believed (R22, log.md 4).

const skew = 60_000n; // ms
const nimLead = 1_000_000n;
const follow = 64n;
const never = 1n << 52n; // from here on a timestamp never enters the log

// Heard keeps the highest timestamp of the senders that spoke last.
export class Heard {
  constructor() {
    this.highest = new Map(); // sender → timestamp; the last to speak is last
  }

  note(sender, lamport) {
    const known = this.highest.get(sender) ?? 0n;
    this.highest.delete(sender);
    const counts = lamport < never && lamport > known;
    this.highest.set(sender, counts ? lamport : known);
  }

  // median of now and what the newest 32 senders said, the lower one.
  median(now) {
    const said = [...this.highest.values()].slice(-32);
    said.push(now);
    said.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return said[Math.floor((said.length - 1) / 2)];
  }
}

// plausible says whether a message may enter the log. now is in the unit of the channel, whose
// dialect decides, whatever that of the message is.
export function plausible(m, { dialect, heard, log, clock, now }) {
  if (m.lamport >= never) return false;
  for (const { id } of m.history) {
    const parent = log.get(id);
    if (parent && m.lamport > parent.lamport && m.lamport - parent.lamport <= follow) return true;
  }
  if (dialect === 'nim') return m.lamport <= (clock > now ? clock : now) + nimLead;
  const median = heard.median(now);
  return m.lamport <= (median > now ? median : now) + skew;
}
