// Drives an unmodified twilio-node against Countersign and says what held.
// node twilio_client.mjs <node_modules> <Twilio base URLs> <AC…> <SK…> <secret> <VA…> <native test key>
// Several base URLs, with commas between, are nodes of one store, over which requests are spread.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules, urls, accountSid, keySid, secret, serviceSid, nativeKey] = process.argv.slice(2);
const bases = urls.split(",");
const twilio = createRequire(`${modules}/`)("twilio");
const otpauth = createRequire(`${modules}/`)("otpauth");

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

const call = async (method, path, body, at = node()) => {
  const headers = { authorization: `Bearer ${nativeKey}`, "content-type": "application/json" };
  const answer = await fetch(at.replace("/compat/twilio", "") + path, { method, headers, body: body && JSON.stringify(body) });
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
await refused(403, 60605, () => service.verifications.create({ to: "+15005550003", channel: "sms" }));

// Persons, their authenticator apps and challenges: over all nodes, whose test clocks are waited for.
home = null;
await call("POST", "/v1/subjects/ext:watchman/factors", { type: "totp", confirmed: true });

/** Moves the test clock to the beginning of a minute, and says which when every node has got there. */
const nextMinute = async () => {
  const advance = async (seconds) => Date.parse((await call("POST", "/v1/test/clock/advance", { seconds })).now);
  const now = await advance(60 - (Math.floor((await advance(1)) / 1000) % 60));
  for (const at of bases) {
    for (let asked = null; !asked || Date.parse(asked.created_at) < now; ) {
      if (asked) await call("GET", `/v1/challenges/${asked.id}?wait=1`, undefined, at);
      asked = await call("POST", "/v1/challenges", { subject: "watchman", expires_in: 30 }, at);
    }
  }
  return now;
};

const factors = async () => {
  const identity = "bob-0000-0001";
  const bob = service.entities(identity);
  const entity = await service.entities.create({ identity });
  claim("an entity", entity.sid.startsWith("YE") && entity.identity === identity);
  await refused(409, 60301, () => service.entities.create({ identity }));
  await refused(400, 60366, () => service.entities.create({ identity: "bob" }));
  const made = await bob.newFactors.create({ friendlyName: "Bob", factorType: "totp", metadata: { os: "android" }, "config.alg": "sha256" });
  claim("a factor", made.sid.startsWith("YF") && made.status === "unverified" && made.config.alg === "sha256" && made.metadata.os === "android");
  const app = otpauth.URI.parse(made.binding.uri);
  claim("an app reads the URL", app.secret.base32 === made.binding.secret && app.label === "Bob" && app.algorithm === "SHA256");
  const shows = (timestamp) => app.generate({ timestamp });
  await refused(403, 60318, () => bob.challenges.create({ factorSid: made.sid }));
  let now = await nextMinute();
  const factor = bob.factors(made.sid);
  claim("a wrong code verifies nothing", (await factor.update({ authPayload: wrong(shows(now)) })).status === "unverified");
  claim("the right code does", (await factor.update({ authPayload: shows(now) })).status === "verified");
  await refused(403, 60311, () => factor.update({ authPayload: shows(now) }));
  claim("the secret is shown once", (await factor.fetch()).binding === undefined);

  const ask = (authPayload) => bob.challenges.create({ factorSid: made.sid, authPayload });
  claim("the code that verified is used up", (await ask(shows(now))).status === "pending");
  now = await nextMinute();
  const asked = await bob.challenges.create({ factorSid: made.sid, "details.message": "Pay?", "details.fields": [{ label: "To", value: "Nord" }], hiddenDetails: { ip: "1.2.3.4" } });
  claim("details come back", asked.status === "pending" && asked.details.fields[0].value === "Nord" && asked.hiddenDetails.ip === "1.2.3.4");
  claim("a wrong code leaves it pending", (await bob.challenges(asked.sid).update({ authPayload: wrong(shows(now)) })).status === "pending");
  claim("approved by the code", (await bob.challenges(asked.sid).update({ authPayload: shows(now) })).status === "approved");
  claim("and by nothing else again", (await ask(shows(now))).status === "pending");
  const answered = await refused(403, 60322, () => bob.challenges(asked.sid).update({ authPayload: shows(now) }));
  claim("its true state in details", answered.details.status === "approved");
  await refused(400, 60307, () => bob.challenges(asked.sid).notifications.create());
  now = await nextMinute();
  claim("a code that is used natively", (await call("POST", "/v1/checks", { subject: identity, code: shows(now) })).status === "approved");
  claim("is refused here", (await ask(shows(now))).status === "pending");
  now = await nextMinute();
  claim("and the other way round", (await ask(shows(now))).status === "approved");
  claim("by the native API too", (await call("POST", "/v1/checks", { subject: identity, code: shows(now) })).code === "code_incorrect");

  const challenges = await bob.challenges.list({ pageSize: 2 });
  claim("challenges over several pages", challenges.length === 5 && new Set(challenges.map((row) => row.sid)).size === 5);
  claim("approved ones alone", (await bob.challenges.list({ status: "approved", order: "desc" })).map((row) => row.sid).join() === [challenges[4].sid, asked.sid].join());
  await refused(400, 60306, () => bob.challenges.page({ order: "up" }));
  await refused(404, 60392, () => service.entities("nobody-0000").factors.page());
  await refused(400, 60374, () => service.entities.page({ pageToken: "PTx" }));
  claim("renamed", (await factor.update({ friendlyName: "Old" })).friendlyName === "Old");
  now = await nextMinute();
  claim("a success ends the row of wrong codes", (await ask(shows(now))).status === "approved");
  const locked = await ask(wrong(shows(now)));
  for (let n = 0; n < 4; n += 1) await bob.challenges(locked.sid).update({ authPayload: wrong(shows(now)) });
  await refused(429, 60308, () => bob.challenges(locked.sid).update({ authPayload: shows(now) }));
  claim("locked at every door", (await call("POST", "/v1/checks", { subject: identity, code: shows(now) })).code === "factor_locked");
  for (let n = 0; n < 2; n += 1) await bob.newFactors.create({ friendlyName: `Spare ${n}`, factorType: "totp" });
  claim("factors over several pages", (await bob.factors.list({ pageSize: 1 })).length === 3);
  await refused(400, 60314, () => bob.newFactors.create({ friendlyName: "x", factorType: "totp", "binding.secret": "JBSWY3DPEHPK3PXP" }));
  await refused(400, 60306, () => bob.newFactors.create({ friendlyName: "x", factorType: "totp", "config.skew": 2 }));
  await refused(400, 60369, () => bob.newFactors.create({ friendlyName: "x", factorType: "nonsense" }));
  await refused(403, 60313, () => bob.newFactors.create({ friendlyName: "x", factorType: "push" }));
  claim("delete is true", (await factor.remove()) === true);
  await refused(404, 60390, () => factor.fetch());
  claim("entities are paged", (await service.entities.list({ pageSize: 1 })).some((row) => row.sid === entity.sid));
  claim("the entity goes with the rest", (await bob.remove()) === true);
  await refused(404, 60392, () => bob.fetch());
  await refused(404, 60391, () => bob.challenges(asked.sid).fetch());
  await refused(404, 20404, () => verify.services(`VA${"0".repeat(32)}`).entities(identity).fetch());
};
await factors();
