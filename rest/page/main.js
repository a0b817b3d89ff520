// The page: reads what there is, follows events, and sends what the user wants.

import { call, get, follow, channelPath, encode } from "./api.js";
import * as state from "./state.js";
import * as view from "./view.js";

const $ = (selector) => document.querySelector(selector);
let current = decodeURIComponent(location.hash.slice(1));
let info = null;
let dirty = false;

// draw draws what changed, for several events at once; also in a tab that is not seen,
// which has no frames.
function draw() {
  if (dirty) return;
  dirty = true;
  setTimeout(() => {
    dirty = false;
    view.channelList(state.channels, current, choose);
    const c = state.channels.get(current);
    $("#composer").hidden = !c;
    if (!c) view.none();
    if (!c || !c.status) return;
    view.title(c);
    view.messages(c);
    view.gaps(c);
    view.people(c);
    view.cuttable(c);
  }, 30);
}

function choose(id) {
  current = id;
  history.replaceState(null, "", "#" + encodeURIComponent(id));
  draw();
}

// loadAll reads everything, and returns the cursor from which events are new.
async function loadAll() {
  info = await get("/info"); // its cursor is read first: nothing falls between
  $("#self").textContent = info.participant;
  document.title = `${info.participant} · Causeway`;
  $("#faults").hidden = !info.faults;
  const { channels } = await get("/v1/channels");
  await Promise.all(channels.filter((c) => c.joined).map((c) => state.load(c.channel)));
  if (!state.channels.has(current)) current = state.channels.keys().next().value || "";
  draw();
  return info.newest;
}

// refresh reads what events do not tell.
async function refresh() {
  try {
    const [health, traffic, budget, peers, list] = await Promise.all(["/health", "/v1/traffic", "/v1/budget", "/v1/peers", "/v1/channels"].map(get));
    const pill = $("#state");
    pill.textContent = health.status;
    pill.className = "pill " + (health.status === "ok" ? "good" : "bad");
    view.traffic(traffic);
    view.budget(budget);
    view.peers(peers.peers);
    const joined = new Set(list.channels.filter((c) => c.joined).map((c) => c.channel));
    for (const id of state.channels.keys()) if (!joined.has(id)) state.forget(id);
    for (const id of joined) if (!state.channels.has(id)) await state.load(id);
    if (!state.channels.has(current)) current = state.channels.keys().next().value || "";
    if (state.channels.has(current)) state.channels.get(current).status = await get(channelPath(current));
    if (info.faults) await showFaults();
    draw();
  } catch {
    $("#state").textContent = "no answer";
    $("#state").className = "pill bad";
  }
}

async function showFaults() {
  view.faults(await get("/v1/faults"), (number) => act("#faults", () => call("DELETE", `/v1/faults/rules/${number}`)));
}

// act does something, and says in its section what went wrong.
async function act(section, what) {
  const error = $(section + " .error");
  error.textContent = "";
  try {
    await what();
    await refresh();
    return true;
  } catch (e) {
    error.textContent = e.message;
    return false;
  }
}

$("#composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("#text").value;
  if (!text.trim()) return;
  const body = { payload: encode(text), want: $("#want").value, ephemeral: $("#ephemeral").checked };
  if (body.want === "fraction") body.fraction = 0.9;
  $("#text").value = "";
  const sent = await act("#composer", () => call("POST", channelPath(current, "/messages"), body));
  if (!sent && !$("#text").value) $("#text").value = text;
});

// The Enter key sends. Input methods may write a line without the key going down.
for (const kind of ["keydown", "keypress"]) {
  $("#text").addEventListener(kind, (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (kind === "keydown") $("#composer").requestSubmit();
  });
}

$("#join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const id = $("#new").value;
  if (await act("#join", () => call("POST", "/v1/channels", { channel: id }))) {
    $("#new").value = "";
    choose(id);
  }
});

const rule = (body) => () => call("POST", "/v1/faults/rules", body);
const fault = (button, what) => $(button).addEventListener("click", () => act("#faults", what));
const pressed = (button) => $(button).getAttribute("aria-pressed") === "true";
fault("#lose-next", rule({ action: "drop", on: ["receive"], kind: "content", next: 1 }));
fault("#lose-some", rule({ action: "drop", on: ["receive"], share: 0.2 }));
fault("#offline", () => call("PUT", "/v1/faults/online", { online: pressed("#offline") }));
fault("#clock", () => call("PUT", "/v1/faults/clock", { offset: pressed("#clock") ? "0s" : "1h" }));
fault("#clear", () => call("DELETE", "/v1/faults"));
fault("#sync", () => call("POST", channelPath(current, "/sync")));
$("#cut").addEventListener("change", () => act("#faults", () => call("PUT", "/v1/faults/partition", { participants: $("#cut").value ? [$("#cut").value] : [] })));

const after = await loadAll();
await refresh();
setInterval(refresh, 2000);
follow(after, (e) => { if (state.take(e)) draw(); }, (on) => {
  $("#live").textContent = on ? "live" : "not live";
  $("#live").className = "pill " + (on ? "good" : "bad");
}, async () => { state.channels.clear(); return loadAll(); });
