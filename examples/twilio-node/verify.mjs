// Verifies a number with twilio-node, unmodified: node verify.mjs +48600100217, then type the code.
import { createInterface } from "node:readline/promises";
import twilio from "twilio";

const { TWILIO_API_KEY, TWILIO_API_SECRET, TWILIO_ACCOUNT_SID, TWILIO_BASE_URL, TWILIO_SERVICE_SID } = process.env;
const client = twilio(TWILIO_API_KEY, TWILIO_API_SECRET, { accountSid: TWILIO_ACCOUNT_SID });
client.verify.baseUrl = TWILIO_BASE_URL; // the one line that is new

const service = client.verify.v2.services(TWILIO_SERVICE_SID);
const to = process.argv[2];
console.log((await service.verifications.create({ to, channel: "sms" })).status);
const input = createInterface({ input: process.stdin });
const { value: code } = await input[Symbol.asyncIterator]().next();
console.log((await service.verificationChecks.create({ to, code: code.trim() })).status);
input.close();
