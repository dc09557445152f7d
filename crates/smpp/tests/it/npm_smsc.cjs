// An SMSC on the codec and server of the npm package `smpp`, which nobody here wrote. What it does with a message is
// written here, by the last four digits of the number, as in `src/smsc/behaviour.rs`.
//
//   node npm_smsc.cjs '{"cert": …, "key": …, "password": …, "tps": …, "hex": true}'
//
// Prints one JSON object per line: its port first, then what happens. Reads one command per line: unbind, drop,
// garbage, enquire, unknown. Ends with its input.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[2] || '{}');
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const sessions = new Set();
let next = 25;
let second = [0, 0];

const isTooFast = () => {
  const now = Math.floor(Date.now() / 1000);
  if (second[0] !== now) second = [now, 0];
  second[1] += 1;
  return options.tps !== undefined && second[1] > options.tps;
};

const REFUSALS = {
  '0011': smpp.ESME_RINVDSTADR,
  '0020': smpp.ESME_RMSGQFUL,
  '0069': smpp.ESME_RSUBMITFAIL,
  '0088': smpp.ESME_RTHROTTLED,
};

// The id as answers write it, and as receipts do.
const ids = () => {
  const number = next++;
  return options.hex ? [number.toString(16).toUpperCase().padStart(8, '0'), String(number)] : [`id-${number}`, `id-${number}`];
};

const receipt = (pdu, id, stat) => {
  const due = {
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${id[1]} sub:001 dlvrd:001 submit date:2611241200 done date:2611241200 stat:${stat} err:000 text:`,
  };
  if (!options.hex) {
    due.receipted_message_id = id[0];
    due.message_state = stat === 'DELIVRD' ? smpp.MESSAGE_STATE.DELIVERED : smpp.MESSAGE_STATE.UNDELIVERABLE;
  }
  const [to] = [...sessions].filter((session) => session.receives);
  if (to) to.deliver_sm(due, (answer) => say({ receipt: id[1], answer: answer.command_status }));
  else waiting.push(() => receipt(pdu, id, stat));
};
const waiting = [];

const bind = (session, pdu) => {
  if (options.password !== undefined && pdu.password !== options.password) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
    session.close();
    return;
  }
  session.receives = pdu.command !== 'bind_transmitter';
  session.send(pdu.response({ system_id: 'npm-smpp' }));
  say({ bound: pdu.command, system_id: pdu.system_id, interface_version: pdu.interface_version });
  waiting.splice(0).forEach((deliver) => deliver());
};

const submit = (session, pdu) => {
  const digits = pdu.destination_addr.slice(-4);
  const refused = isTooFast() ? smpp.ESME_RTHROTTLED : REFUSALS[digits];
  const { message, udh } = pdu.short_message;
  say({
    to: pdu.destination_addr,
    from: pdu.source_addr,
    kinds: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi],
    text: pdu.message_payload === undefined ? message : pdu.message_payload.message ?? pdu.message_payload,
    udh: udh === undefined ? null : [...udh].map((part) => (typeof part === 'number' ? part : [...part])).flat(),
    coding: pdu.data_coding,
    esm_class: pdu.esm_class,
    validity: pdu.validity_period,
    receipt: pdu.registered_delivery,
    sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum].map((value) => value ?? null),
    taken: refused === undefined,
  });
  if (refused !== undefined) return session.send(pdu.response({ command_status: refused }));
  const id = ids();
  const answer = () => session.send(pdu.response({ message_id: id[0] }));
  const wants = pdu.registered_delivery & 1;
  switch (digits) {
    case '0001':
      return;
    case '0002':
      session.destroy();
      waiting.push(() => receipt(pdu, id, 'DELIVRD'));
      return;
    case '0003':
      session.send(pdu.response({ message_id: id[0] }), undefined, () => session.close());
      sessions.delete(session);
      waiting.push(() => receipt(pdu, id, 'DELIVRD'));
      return;
    case '0004':
      receipt(pdu, id, 'DELIVRD');
      return setImmediate(answer);
    case '0006':
      answer();
      return receipt(pdu, id, 'UNDELIV');
    case '0008':
      answer();
      receipt(pdu, id, 'DELIVRD');
      return receipt(pdu, id, 'DELIVRD');
    default:
      answer();
      if (wants) receipt(pdu, id, 'DELIVRD');
  }
};

const serve = (session) => {
  sessions.add(session);
  session.on('error', (error) => say({ error: String(error.message || error) }));
  session.on('close', () => {
    sessions.delete(session);
    say({ closed: true });
  });
  for (const command of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(command, (pdu) => bind(session, pdu));
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    say({ unbound: true });
    session.send(pdu.response(), undefined, () => session.close());
  });
  session.on('generic_nack', (pdu) => say({ nack: pdu.command_status, sequence: pdu.sequence_number }));
};

const secrets = options.cert ? { cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) } : {};
const server = smpp.createServer(secrets, serve);
server.on('tlsClientError', (error) => say({ tls: error.code || error.message }));
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

const commands = {
  unbind: (session) => session.unbind((answer) => say({ unbind_answer: answer.command_status })),
  drop: (session) => session.destroy(),
  garbage: (session) => session.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  enquire: (session) => session.enquire_link((answer) => say({ alive: answer.command_status })),
  unknown: (session) => session.socket.write(Buffer.from('0000001000010200000000000000004d', 'hex')),
};
const input = readline.createInterface({ input: process.stdin });
input.on('line', (line) => sessions.forEach((session) => commands[line.trim()](session)));
input.on('close', () => process.exit(0));
