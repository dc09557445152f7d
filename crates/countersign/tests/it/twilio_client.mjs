// Drives an unmodified twilio-node against Countersign and says what held.
// node twilio_client.mjs <node_modules> <Twilio base URLs> <AC…> <SK…> <secret> <VA…> <native test key>
// Several base URLs, with commas between, are nodes of one store, over which requests are spread.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules, urls, accountSid, keySid, secret, serviceSid, nativeKey] = process.argv.slice(2);
const bases = urls.split(",");
const twilio = createRequire(`${modules}/`)("twilio");

let [sent, home] = [0, null];
/** What a load balancer does before several nodes: the next request may go to another. */
const node = () => home ?? bases[sent++ % bases.length];

const library = new twilio.RequestClient();
const path = (uri) => uri.slice(bases.find((base) => uri.startsWith(base)).length);
const balancer = { request: (asked) => library.request({ ...asked, uri: node() + path(asked.uri) }) };

const connect = (user, password) => {
  const client = twilio(user, password, bases.length > 1 ? { accountSid, httpClient: balancer } : { accountSid });
  client.verify.baseUrl = bases[0]; // the one-line change
  return client.verify.v2;
};
const verify = connect(keySid, secret);
const service = verify.services(serviceSid);

const claim = (text, held = true) => {
  assert.ok(held, text);
  console.log("ok", text);
};

const call = async (method, path, body) => {
  const headers = { authorization: `Bearer ${nativeKey}`, "content-type": "application/json" };
  const answer = await fetch(node().replace("/compat/twilio", "") + path, { method, headers, body: body && JSON.stringify(body) });
  return answer.json();
};

const nativeId = (sid) => {
  let [number, text] = [BigInt(`0x${sid.slice(2)}`), ""];
  for (let n = 0; n < 26; n += 1) {
    text = "0123456789abcdefghjkmnpqrstvwxyz"[Number(number & 31n)] + text;
    number >>= 5n;
  }
  return `vrf_${text}`;
};

/** The message of the latest send of a verification, from the outbox of test mode. */
const message = async (to, sid) => {
  for (let n = 0; n < 100; n += 1) {
    const { data } = await call("GET", `/v1/test/outbox?wait=5&to=${encodeURIComponent(to)}`);
    const item = data.find((item) => item.verification === nativeId(sid));
    if (item) return item;
  }
  throw new Error(`no message for ${to}`);
};

const refused = async (status, code, work) => {
  const error = await work().then(() => assert.fail(`not refused with ${code}`), (error) => error);
  assert.ok(error instanceof twilio.RestException, `another class: ${error}`);
  claim(`${status}/${code}, got ${error.status}/${error.code}: ${error.message}`, error.status === status && error.code === code);
  return error;
};

const wrong = (code) => code.slice(0, -1) + ((Number(code.at(-1)) + 1) % 10);

for (const [channel, to] of [["sms", "+48600100401"], ["email", "bob@example.com"], ["call", "+48600100402"]]) {
  const started = await service.verifications.create({ to, channel });
  claim(`${channel} starts`, started.status === "pending" && started.to === to && !started.valid);
  claim("instants are instants", started.dateCreated instanceof Date && !Number.isNaN(started.dateCreated.getTime()));
  const { code } = await message(to, started.sid);
  claim("fetch by recipient", (await service.verifications(to).fetch()).sid === started.sid);
  const pending = await service.verificationChecks.create({ to, code: wrong(code) });
  claim("a wrong code is pending", pending.status === "pending" && pending.valid === false);
  const approved = await service.verificationChecks.create({ verificationSid: started.sid, code });
  claim(`${channel} is approved`, approved.status === "approved" && approved.valid === true && approved.to === to);
  const gone = await refused(404, 20404, () => service.verificationChecks.create({ to, code }));
  claim("details tell the true state", gone.details.status === "approved");
}

// One node may be a second behind another's settings, counts rate limits for itself, and knows only of its own answers
// when it decides whether a quick second start is a repetition: the rest has one node.
home = bases.at(-1);
const to = "+48600100403";
const sids = new Set();
for (let n = 0; n < 5; n += 1) sids.add((await service.verifications.create({ to, channel: "sms" })).sid);
claim("one SID for all sends", sids.size === 1);
await refused(429, 60203, () => service.verifications.create({ to, channel: "sms" }));
const [sid] = sids;
const { code } = await message(to, sid);
for (let n = 0; n < 5; n += 1) await service.verificationChecks.create({ to, code: wrong(code) });
await refused(429, 60202, () => service.verificationChecks.create({ to, code }));
claim("the end is readable", (await service.verifications(sid).fetch()).status === "max_attempts_reached");

const other = await service.verifications.create({ to: "+48600100404", channel: "sms", locale: "de", tags: '{"a":"b"}' });
claim("cancel", (await service.verifications(other.sid).update({ status: "canceled" })).status === "canceled");

const made = [];
for (const letter of "ABC") made.push(await verify.services.create({ friendlyName: `Shop ${letter}` }));
claim("lists are paged", (await verify.services.list({ pageSize: 1 })).length === 4);
claim("limits hold", (await verify.services.list({ limit: 2 })).length === 2);
for (const one of made) claim("delete is true", (await verify.services(one.sid).remove()) === true);

const limit = await service.rateLimits.create({ uniqueName: "user.id" });
await service.rateLimits(limit.sid).buckets.create({ max: 1, interval: 60 });
const rateLimits = { "user.id": "42" };
await service.verifications.create({ to: "+48600100405", channel: "sms", rateLimits });
await refused(429, 20429, () => service.verifications.create({ to: "+48600100406", channel: "sms", rateLimits }));
claim("a rate limit goes with its buckets", await service.rateLimits(limit.sid).remove());

const hook = await service.webhooks.create({ friendlyName: "w", eventTypes: ["*", "factor.created"], webhookUrl: "https://example.com" });
claim("two event types", hook.eventTypes.length === 2 && (await service.webhooks(hook.sid).remove()));
const attempts = await verify.verificationAttempts.list({ pageSize: 2, dateCreatedAfter: new Date(2020, 1, 1) });
claim("attempts over several pages", attempts.length > 8);
claim("the summary adds up", (await verify.verificationAttemptsSummary().fetch()).totalAttempts === attempts.length);
claim("templates", (await verify.templates.list())[0].channels.includes("sms"));
claim("a safe number", (await verify.safelist.create({ phoneNumber: "+48600100407" })).phoneNumber === "+48600100407");
claim("and away", await verify.safelist("+48600100407").remove());

await refused(401, 20003, () => connect(keySid, "wrong").services(serviceSid).fetch());
claim("the account's SID signs in too", (await connect(accountSid, secret).services(serviceSid).fetch()).sid === serviceSid);
await refused(400, 60200, () => service.verifications.create({ to: "+1555", channel: "sms" }));
await refused(400, 60373, () => verify.services.page({ pageSize: 1001 }));
await refused(400, 60374, () => verify.services.page({ pageToken: "nonsense" }));
await refused(400, 60221, () => service.verificationChecks.create({ code: "123456" }));
await refused(404, 20404, () => verify.services(`VA${"0".repeat(32)}`).fetch());
await refused(403, 60313, () => service.entities("ff483d1ff591898a").newFactors.create({ friendlyName: "x", factorType: "totp" }));
await refused(403, 60605, () => service.verifications.create({ to: "+15005550003", channel: "sms" }));
