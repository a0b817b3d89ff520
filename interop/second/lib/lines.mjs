// The language of the peer: a command a line, events, and "done" (docs/conformance.md).
import { createInterface } from 'node:readline';
import { fromText, toText } from './bytes.mjs';
import { decodeExtension, encodeExtension } from './extension.mjs';
import { verify } from './ids.mjs';
import { Participant } from './participant.mjs';
import { Refused, decode, encode, kind } from './wire.mjs';

// plain: ids, which are strings of bytes here, leave as text, bytes as base64, timestamps as decimal
// strings.
function plain(v) {
  if (Buffer.isBuffer(v)) return v.toString('base64');
  if (typeof v === 'bigint') return v.toString();
  if (typeof v === 'string') return toText(v);
  if (Array.isArray(v)) return v.map(plain);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, w]) => [k, plain(w)]));
  return v;
}

function bytesOf(s, what) {
  if (typeof s !== 'string' || !/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(s)) {
    throw new Error(`${what} is not base64`);
  }
  return Buffer.from(s, 'base64');
}

function describe(m, channelDialect) {
  const x = m.extension && decodeExtension(m.extension);
  const entries = (list) => list.map(({ id, hint, sender }) => ({ id, senderId: sender || undefined, retrievalHint: hint?.length ? hint : undefined }));
  return {
    dialect: m.dialect, kind: kind(m), id: m.id, senderId: m.sender, channelId: m.channel, lamport: m.lamport,
    causalHistory: entries(m.history), repairRequest: entries(m.requests), bloomFilter: m.filter, content: m.content,
    extension: x, verified: verify(m, channelDialect), again: encode(m), extensionAgain: x && encodeExtension(x),
  };
}

// serve runs commands until "exit" or the end of input. configOf reads the flags of "restart", which
// is for tests: another participant in the same process.
export function serve(first, configOf, input, output) {
  let config;
  let fixed;
  let peer;
  const now = () => fixed ?? Date.now();
  const emit = (event) => { output.write(`${JSON.stringify(plain(event))}\n`); };
  const start = (c) => {
    config = c;
    fixed = c.clock;
    peer = new Participant(c, now, emit);
    emit({ event: 'ready', implementation: 'second', channel: c.channel, sender: c.sender, dialect: c.dialect });
  };
  const commands = {
    restart: (c) => start(configOf(c.flags)),
    send: (c) => peer.send(bytesOf(c.content, 'content'), {
      hint: c.retrievalHint === undefined ? undefined : bytesOf(c.retrievalHint, 'retrievalHint'), fail: c.fail,
    }),
    ephemeral: (c) => peer.ephemeral(bytesOf(c.content, 'content')),
    receive(c) {
      const payload = bytesOf(c.payload, 'payload');
      try {
        peer.receive(payload, c.retrievalHint === undefined ? undefined : bytesOf(c.retrievalHint, 'retrievalHint'));
      } catch (err) {
        if (!(err instanceof Refused)) throw err;
        emit({ event: 'undecodable', message: err.message });
      }
    },
    sweep: (c) => peer.sweep(c.resend),
    sync: () => peer.sync(),
    state: () => peer.state(),
    decode(c) {
      try {
        emit({ event: 'decoded', ...describe(decode(bytesOf(c.payload, 'payload')), config.dialect) });
      } catch (err) {
        if (!(err instanceof Refused)) throw err;
        emit({ event: 'undecodable', message: err.message });
      }
    },
    clock(c) {
      if (typeof c.advance === 'number') fixed = now() + c.advance;
      else if (c.now === null) fixed = undefined;
      else if (typeof c.now === 'number') fixed = c.now;
      else throw new Error('neither now nor advance');
    },
    exit() {},
  };

  start(first);
  const lines = createInterface({ input, crlfDelay: Infinity });
  lines.on('line', (line) => {
    if (!line.trim()) return;
    let c = {};
    try {
      c = JSON.parse(line);
      if (!Object.hasOwn(commands, c.cmd)) throw new Error(`unknown command ${c.cmd}`);
      commands[c.cmd](c);
    } catch (err) {
      emit({ event: 'error', message: fromText(err.message) });
    }
    emit({ event: 'done', cmd: c?.cmd, seq: c?.seq });
    if (c?.cmd === 'exit') {
      lines.close();
      input.destroy?.();
    }
  });
  return new Promise((resolve) => { lines.on('close', resolve); });
}
