// One participant of @waku/sds 0.0.8 that does what it is told, line by line, in
// the language of "causeway peer" (see suite/peer/doc.go): for the tests in
// suite/interop/js. It adds nothing to the library; where the library has no event
// for what the language wants to hear, a comment says so. Private state is read for
// the commands state and sweep alone.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { MessageChannel, MessageChannelEvent as E, Message, isContentMessage, isEphemeralMessage, isSyncMessage } from "@waku/sds";

// Node.js 18 has no CustomEvent yet, without which the library is silent.
globalThis.CustomEvent ??= class extends Event {
  constructor(type, init) {
    super(type, init);
    this.detail = init?.detail ?? null;
  }
};

// The library reads Date.now alone.
const machineClock = Date.now;
let now = null;
Date.now = () => now ?? machineClock();

const emit = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
const base64 = (bytes) => (bytes === undefined ? undefined : Buffer.from(bytes).toString("base64"));
function bytes(text, name) {
  if (typeof text !== "string") throw new Error(`field "${name}" is missing`);
  return new Uint8Array(Buffer.from(text, "base64"));
}
const optional = (text, name) => (text === undefined || text === null ? undefined : bytes(text, name));
const lamport = (n) => n?.toString();

const entry = ({ messageId, senderId, retrievalHint }) => ({ id: messageId, senderId, retrievalHint: base64(retrievalHint) });
function missing(event, entries) {
  // One entry for each message and dependency, and none at the end of a sweep
  // that found nothing: here each dependency once, and nothing said of nothing.
  const unique = [...new Map(entries.map((e) => [e.messageId, e])).values()];
  if (unique.length > 0) emit(event, { ids: unique.map((e) => e.messageId), entries: unique.map(entry) });
}
const described = (m) => ({ id: m.messageId, senderId: m.senderId, lamport: lamport(m.lamportTimestamp), content: base64(m.content) });

// What is undefined falls back to the defaults of the library.
const defined = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));

let channel;
let received; // by id: the event of a delivery has only that

// start makes the participant that the flags describe.
function start(args) {
  const names = ["channel", "sender", "causal-history", "possible-acks", "lost-timeout-ms", "repair-buffer", "t-min", "t-max", "groups", "clock", "dialect"];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  const { values: flags } = parseArgs({ args, options: { ...options, "no-repair": { type: "boolean" } } });
  if ((flags.dialect ?? "js") !== "js") throw new Error("dialect: @waku/sds writes js only");
  const number = (name) => (flags[name] === undefined ? undefined : Number(flags[name]));
  now = number("clock") ?? null;
  received = new Map();
  channel = new MessageChannel(flags.channel, flags.sender, defined({
    causalHistorySize: number("causal-history"),
    possibleAcksThreshold: number("possible-acks"),
    timeoutForLostMessagesMs: number("lost-timeout-ms"),
    enableRepair: !flags["no-repair"],
    repairConfig: defined({ tMin: number("t-min"), tMax: number("t-max"), numResponseGroups: number("groups"), bufferSize: number("repair-buffer") }),
  }));
  listen();
  emit("ready", { implementation: "@waku/sds 0.0.8", channel: flags.channel, sender: flags.sender, dialect: "js" });
}

function listen() {
  const on = (name, f) => channel.addEventListener(name, ({ detail }) => f(detail));
  on(E.InMessageReceived, (m) => emit("received", described(m)));
  on(E.InSyncReceived, (m) => emit("syncReceived", described(m)));
  on(E.InMessageDelivered, (id) => emit("delivered", described(received.get(id))));
  on(E.InMessageMissing, (entries) => missing("missing", entries));
  on(E.InMessageLost, (entries) => missing("lost", entries));
  on(E.OutMessageSent, (m) => emit("sent", { id: m.messageId }));
  on(E.OutMessageAcknowledged, (id) => emit("acked", { id }));
  on(E.OutMessagePossiblyAcknowledged, ({ messageId, count }) => emit("possiblyAcked", { id: messageId, count }));
  on(E.RepairRequestReceived, ({ messageIds, fromSenderId }) => emit("repairRequestReceived", { ids: messageIds, senderId: fromSenderId }));
  // These two are dispatched under other names than their constants have.
  on("RepairRequestQueued", ({ messageId, tReq }) => emit("repairRequestQueued", { id: messageId, tReq }));
  on("RepairResponseQueued", ({ messageId, tResp }) => emit("repairResponseQueued", { id: messageId, tResp }));
  on(E.ErrorTask, ({ error }) => emit("error", { message: String(error) }));
}

const out = (kind, m) => emit("out", { kind, payload: base64(m.encode()), id: m.messageId });

const commands = {
  async send({ content, retrievalHint, fail }) {
    const hint = optional(retrievalHint, "retrievalHint");
    channel.pushOutgoingMessage(bytes(content, "content"), async (m) => {
      out("content", m);
      return fail ? { success: false } : { success: true, retrievalHint: hint };
    });
    await channel.processTasks();
  },
  async ephemeral({ content }) {
    await channel.pushOutgoingEphemeralMessage(bytes(content, "content"), async (m) => {
      out("ephemeral", m);
      return true;
    });
    await channel.processTasks();
  },
  async receive({ payload, retrievalHint }) {
    const m = Message.decode(bytes(payload, "payload"));
    if (m === undefined) return emit("undecodable", { message: "Message.decode returns nothing" });
    // The channel hands ephemeral content to nobody: who calls it, as the SDK does,
    // takes it from the decoded message.
    if (isEphemeralMessage(m) && m.channelId === channel.channelId && m.senderId !== channel.senderId) {
      emit("ephemeral", described(m));
    }
    if (isContentMessage(m)) received.set(m.messageId, m);
    channel.pushIncomingMessage(m, optional(retrievalHint, "retrievalHint"));
    await channel.processTasks();
  },
  async sweep({ resend }) {
    channel.sweepIncomingBuffer();
    await channel.sweepRepairIncomingBuffer(async (m) => {
      out("repair", m);
      return true;
    });
    if (resend) {
      // There is no other way to send again than to send the same content.
      for (const m of [...channel.outgoingBuffer]) {
        channel.pushOutgoingMessage(m.content, async (same) => {
          out("resend", same);
          return { success: true, retrievalHint: same.retrievalHint };
        });
      }
      await channel.processTasks();
    }
    const { unacknowledged, possiblyAcknowledged } = channel.sweepOutgoingBuffer();
    emit("outgoing", { unacknowledged: ids(unacknowledged), possiblyAcknowledged: ids(possiblyAcknowledged) });
  },
  async sync() {
    const sent = await channel.pushOutgoingSyncMessage(async (m) => {
      out("sync", m);
      return true;
    });
    if (!sent) emit("syncSkipped");
  },
  state() {
    emit("state", {
      lamport: lamport(channel.lamportTimestamp),
      history: channel.localHistory.slice(0).map((m) => ({ id: m.messageId, senderId: m.senderId, lamport: lamport(m.lamportTimestamp) })),
      incoming: ids(channel.incomingBuffer),
      outgoing: ids(channel.outgoingBuffer),
    });
  },
  decode({ payload }) {
    const m = Message.decode(bytes(payload, "payload"));
    if (m === undefined) return emit("undecodable", { message: "Message.decode returns nothing" });
    emit("decoded", {
      dialect: "lip", kind: isContentMessage(m) ? "content" : isSyncMessage(m) ? "sync" : "ephemeral", ...described(m),
      channelId: m.channelId, causalHistory: m.causalHistory.map(entry), repairRequest: m.repairRequest.map(entry),
      bloomFilter: base64(m.bloomFilter),
    });
  },
  clock({ now: at, advance }) {
    now = at === undefined ? Date.now() + advance : at;
  },
  // Not of the language: a new participant without the cost of a new process.
  restart({ flags }) {
    start(flags);
  },
  exit() {},
};
const ids = (messages) => messages.map((m) => m.messageId);

start(process.argv.slice(2));
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let command = {};
  try {
    command = JSON.parse(line);
    if (!Object.hasOwn(commands, command.cmd)) throw new Error(`unknown command ${JSON.stringify(command.cmd)}`);
    await commands[command.cmd](command);
  } catch (error) {
    emit("error", { message: String(error) });
  }
  emit("done", { cmd: command?.cmd ?? "", seq: command?.seq });
  if (command?.cmd === "exit") break;
}
