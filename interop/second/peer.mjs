#!/usr/bin/env node
// A participant written from the specification: see README.md.
import { parseArgs } from 'node:util';
import { fromText } from './lib/bytes.mjs';
import { serve } from './lib/lines.mjs';
import { checkVectors } from './vectors.mjs';

const options = {
  channel: { type: 'string' },
  sender: { type: 'string' },
  dialect: { type: 'string', default: 'lip' },
  'causal-history': { type: 'string' },
  'possible-acks': { type: 'string' }, // read and ignored: a filter is never more than possibly (R55)
  'lost-timeout-ms': { type: 'string' },
  'trust-names': { type: 'boolean', default: false }, // ask on anybody's word (7.2)
  'no-repair': { type: 'boolean', default: false },
  't-min': { type: 'string', default: '30000' },
  't-max': { type: 'string' },
  groups: { type: 'string', default: '1' },
  clock: { type: 'string' },
};

// configOf flags, or an error that says how they are used.
function configOf(args) {
  const { values } = parseArgs({ args, options });
  if (!values.channel || !values.sender || !['lip', 'js', 'nim'].includes(values.dialect)) {
    throw new Error('usage: peer.mjs --channel id --sender id [--dialect lip|js|nim] [--clock ms] | --vectors DIR');
  }
  const number = (name) => (values[name] === undefined ? undefined : Number(values[name]));
  const nim = values.dialect === 'nim';
  return {
    channel: fromText(values.channel),
    sender: fromText(values.sender),
    dialect: values.dialect,
    hashKind: nim ? 'nim' : 'js',
    causalHistory: number('causal-history'),
    lostTimeout: number('lost-timeout-ms'),
    repair: !values['no-repair'],
    trustNames: values['trust-names'],
    tMin: number('t-min'),
    tMax: number('t-max') ?? (nim ? 300_000 : 120_000),
    groups: number('groups'),
    clock: number('clock'),
  };
}

const args = process.argv.slice(2);
if (args[0] === '--vectors') {
  process.exit(checkVectors(args[1], (line) => console.log(line)) ? 1 : 0);
}
let config;
try {
  config = configOf(args);
} catch (err) {
  console.error(err.message);
  process.exit(2);
}
await serve(config, configOf, process.stdin, process.stdout);
