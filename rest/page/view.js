// Elements from what is known.

import { text } from "./api.js";
import { ordered, open, behind } from "./state.js";

const $ = (selector) => document.querySelector(selector);

// element makes one, with text and children: never from markup of others.
export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const seconds = (s) => (s < 10 ? s.toFixed(1) : Math.round(s)) + " s";
const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

// certainty says how far an own message is known to have come, as people know it.
export function certainty(receipt) {
  if (!receipt) return { mark: "◷", level: "queued", says: "waits" };
  const count = receipt.of ? `${receipt.seen} of ${receipt.of}` : receipt.seen ? String(receipt.seen) : "";
  if (receipt.superseded) return { mark: "↷", level: "superseded", says: "replaced" };
  if (receipt.undelivered) return { mark: "!", level: "undelivered", says: "nobody is known to have it" };
  switch (receipt.level) {
    case "sent": return { mark: "✓", level: "sent", says: "sent" };
    case "stored": return { mark: "✓", level: "stored", says: "in a store" };
    case "seen": return { mark: "✓✓", level: "seen", says: count };
    case "reached": return { mark: "✓✓", level: "reached", says: count + ", reached" };
    case "everyone": return { mark: "✓✓", level: "everyone", says: receipt.of ? `all ${receipt.of}` : "all" };
  }
  return { mark: "◷", level: "queued", says: "waits" };
}

// interval is what a sample says, where one was asked.
function interval(receipt) {
  const e = receipt && receipt.estimate;
  if (!e || !e.sample || receipt.level === "everyone") return "";
  const percent = (x) => Math.round(100 * x);
  return ` · between ${percent(e.low)} and ${percent(e.high)} %: ${e.verdict}`;
}

export function messages(c) {
  const list = $("#messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const all = ordered(c);
  const placed = all.filter((m) => m.position || m.ephemeral);
  const items = placed.map(item);
  for (const g of open(c)) { // before those that wait for them
    items.push(element("li", { class: "gap", "data-id": g.id, "data-state": g.state },
      element("p", {}, g.sender ? `A message of ${g.sender} is ${g.state === "missing" ? "missing" : g.state}` : `A message is ${g.state}`),
      element("small", {}, `since ${clock(g.since / 1e6)}`)));
  }
  items.push(...all.filter((m) => !placed.includes(m)).map(item));
  list.replaceChildren(...(items.length ? items : [element("li", { class: "empty" }, "Nothing was said yet.")]));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function item(m) {
  const notes = [];
  if (!m.position && !m.ephemeral) notes.push(m.quarantined ? "its clock is far ahead" : "waits for what it depends on");
  if (m.ephemeral) notes.push("ephemeral");
  if (m.repaired !== undefined) notes.push(`was missing for ${seconds(m.repaired)}`);
  else if (m.retrieved) notes.push("from a store");
  if (m.late) notes.push("late");
  const told = m.own && !m.ephemeral ? certainty(m.receipt) : null;
  return element("li", { class: m.own ? "own" : "other", "data-id": m.id, "data-level": told && told.level },
    element("p", {}, m.text ?? "(its bytes are not here)"),
    element("small", {},
      m.own ? "" : element("b", {}, m.sender), m.own ? "" : " ", clock(m.lamport),
      ...notes.map((n) => element("span", { class: "note" }, n)),
      told && element("span", { class: "tick " + told.level, title: m.receipt ? m.receipt.persons.join(", ") : "" },
        element("span", { "aria-hidden": "true" }, told.mark), " ", told.says + interval(m.receipt))));
}

export function channelList(all, current, choose) {
  $("#channels").replaceChildren(...[...all.values()].map((c) => {
    const missing = open(c).length;
    return element("li", {}, element("button", { "aria-current": c.id === current && "true", onclick: () => choose(c.id) },
      element("span", { class: "name" }, c.id), missing ? element("span", { class: "pill bad" }, `${missing} missing`) : null));
  }));
}

// none is shown where no channel is joined, or the one that was shown was left.
export function none() {
  $("#title").textContent = "No channel";
  $("#summary").textContent = "";
  $("#messages").replaceChildren(element("li", { class: "empty" }, "Join a channel to begin."));
  for (const list of ["#gaps", "#behind"]) $(list).replaceChildren();
}

export function title(c) {
  $("#title").textContent = c.id;
  const s = c.status;
  const parts = [plural(s.messages, "message"), plural(s.participants, "participant")];
  if (s.catchingUp) parts.push("catching up");
  if (!s.online) parts.push("not sending");
  if (s.waiting) parts.push(`${s.waiting} wait`);
  if (s.lost) parts.push(`${s.lost} lost`);
  if (s.unacknowledged) parts.push(`${s.unacknowledged} not acknowledged by all`);
  $("#summary").textContent = parts.join(" · ");
}

export function gaps(c) {
  const all = [...c.gaps.values()].filter((g) => g.state !== "below-join").sort((a, b) => b.since - a.since).slice(0, 20);
  $("#gaps").replaceChildren(...(all.length ? all.map((g) => element("li", { class: "state-" + g.state, "data-id": g.id, title: g.id },
    element("span", {}, g.sender ? `of ${g.sender}` : "of somebody"),
    element("span", { class: "pill " + (g.state === "recovered" ? "good" : "bad") }, g.state === "recovered" ? `recovered after ${seconds(g.took)}` : g.state)))
    : [element("li", { class: "empty" }, "Nothing is missing.")]));
}

export function people(c) {
  const all = behind(c);
  const sorted = all.sort((a, b) => b.lacks - a.lacks).slice(0, 30);
  $("#behind").replaceChildren(...(sorted.length ? sorted.map((p) => element("li", {},
    element("span", {}, p.person),
    element("meter", { min: 0, max: Math.max(p.of, 1), value: p.of - p.lacks, "aria-label": `${p.person} has ${p.of - p.lacks} of ${p.of}` }),
    element("span", { class: "n" }, p.lacks ? `lacks ${p.lacks}` : p.of ? "has all" : "–")))
    : [element("li", { class: "empty" }, "Nobody else is known here.")]));
}

const classes = ["content", "resend", "repair", "request", "ack", "sync", "ephemeral"];

export function traffic(t) {
  const bytes = (n) => (n < 10000 ? `${n}` : n < 1e7 ? `${(n / 1000).toFixed(0)} k` : `${(n / 1e6).toFixed(0)} M`);
  $("#traffic tbody").replaceChildren(...classes.map((name) => [name, t.sent[name]]).map(([name, s]) => element("tr", {},
    element("th", { scope: "row" }, name), element("td", { class: "n" }, String(s.packets)), element("td", { class: "n" }, bytes(s.bytes)))));
  $("#received").textContent = `received ${t.received.packets} (${bytes(t.received.bytes)}), from stores ${t.retrieved.packets}`;
}

export function budget(b) {
  $("#budget").hidden = !b.limited;
  if (!b.limited) return;
  $("#budget div").replaceChildren(
    element("p", {}, `${b.used.packets} of ${b.packets} packets in ${b.window}: `, element("span", { class: "pill " + (b.level === "normal" ? "good" : "bad") }, b.level)),
    ...Object.entries(b.shares).map(([name, s]) => element("label", { class: "share" }, element("span", {}, name),
      element("meter", { min: 0, max: s.share.packets, value: s.used.packets }),
      element("span", { class: "n" }, `${s.used.packets}/${s.share.packets}${s.waiting ? `, ${s.waiting} wait` : ""}`))));
}

// of says which packets a rule is about.
function of(rule) {
  const parts = [];
  if (rule.kind) parts.push(rule.kind);
  if (rule.payload) parts.push(`“${text(rule.payload)}”`);
  if (rule.sender) parts.push(`of ${rule.sender}`);
  if (rule.message) parts.push(`with id …${rule.message.slice(-8)}`);
  if (rule.topic) parts.push(`on ${rule.topic}`);
  if (rule.hash) parts.push(`with hash ${rule.hash.slice(0, 8)}…`);
  return parts.length ? ` ${parts.join(" ")}` : "";
}

export function faults(f, remove) {
  $("#offline").setAttribute("aria-pressed", String(!f.online));
  $("#offline").textContent = f.online ? "Go offline" : "Go online";
  $("#clock").setAttribute("aria-pressed", String(f.clock !== "0s"));
  $("#clock").textContent = f.clock === "0s" ? "Clock 1 h ahead" : "Clock right";
  $("#cut").value = f.partition[0] || "";
  $("#rules").replaceChildren(...f.rules.map((r) => element("li", { class: r.done ? "done" : "" },
    element("span", {}, `${r.rule.action} ${r.rule.on.join(", ")}${r.rule.share ? ` ${Math.round(100 * r.rule.share)} %` : ""}${of(r.rule)}${r.rule.next ? `, the next ${r.rule.next > 1 ? r.rule.next : "one"}` : ""}: hit ${r.hit}`),
    element("button", { "aria-label": `end rule ${r.number}`, onclick: () => remove(r.number) }, "×"))));
}

export function cuttable(c) {
  const names = c.members ? Object.keys(c.members).filter((m) => m !== c.status.participant).sort() : [...new Set([...c.messages.values()].filter((m) => !m.own).map((m) => m.sender))].sort();
  const select = $("#cut");
  if ([...select.options].slice(1).map((o) => o.value).join("\n") === names.join("\n")) return;
  select.replaceChildren(element("option", { value: "" }, "nobody is cut off"), ...names.map((n) => element("option", { value: n }, n)));
}

export function peers(list) {
  $("#peers").replaceChildren(...(list.length ? list.map((p) => element("li", { title: p.error || "" },
    element("code", {}, "…" + p.id.slice(-8)), element("span", { class: "pill " + (p.connected ? "good" : "bad") }, p.connected ? "connected" : "away")))
    : [element("li", { class: "empty" }, "None is known.")]));
}
