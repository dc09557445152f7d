"""Drives an unmodified twilio-python against Countersign and says what held.

twilio_client.py <Twilio base URLs> <AC…> <SK…> <secret> <VA…> <native test key> <SK… without override> <its secret> <live SK…> <its secret>

Several base URLs, with commas between, are nodes of one store, over which requests are spread.
"""

import datetime
import hashlib
import itertools
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import pyotp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

BASES, ACCOUNT, KEY, SECRET, SERVICE, NATIVE_KEY, PLAIN_KEY, PLAIN_SECRET, LIVE_KEY, LIVE_SECRET = sys.argv[1:]
BASES = BASES.split(",")


class Balancer(TwilioHttpClient):
    """What a load balancer does before several nodes: the next request may go to another."""

    nodes = itertools.cycle(BASES)

    def request(self, method, url, *args, **kwargs):
        path = next(url.removeprefix(base) for base in BASES if url.startswith(base))
        return super().request(method, next(self.nodes) + path, *args, **kwargs)


def connect(user, password):
    client = Client(user, password, ACCOUNT, http_client=Balancer() if len(BASES) > 1 else None)
    client.verify.base_url = BASES[0]  # the one-line change
    return client.verify.v2


verify = connect(KEY, SECRET)
service = verify.services(SERVICE)


def claim(text, held=True):
    assert held, text
    print("ok", text)


def native(method, path, body=None, node=None):
    data = None if body is None else json.dumps(body).encode()
    node = (node or next(Balancer.nodes)).removesuffix("/compat/twilio")
    request = urllib.request.Request(node + path, data=data, method=method)
    request.add_header("Authorization", "Bearer " + NATIVE_KEY)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def message(to, verification):
    """The message of the latest send of a verification, from the outbox of test mode."""
    wanted = native_id(verification)
    for _ in range(100):
        path = "/v1/test/outbox?wait=5&to=" + urllib.parse.quote_plus(to)
        for item in native("GET", path)["data"]:
            if item["verification"] == wanted:
                return item
    raise AssertionError("no message for " + to)


def native_id(sid, kind="vrf"):
    alphabet, number, text = "0123456789abcdefghjkmnpqrstvwxyz", int(sid[2:], 16), ""
    for _ in range(26):
        number, text = number >> 5, alphabet[number & 31] + text
    return f"{kind}_{text}"


def sid_of(kind, id):
    number = 0
    for symbol in id.split("_")[1]:
        number = number << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(symbol)
    return f"{kind}{number:032x}"


def later(seconds):
    native("POST", "/v1/test/clock/advance", {"seconds": seconds})


def instant(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def next_minute():
    """Moves the test clock to the beginning of a minute, and says which when every node has got there."""
    second = int(instant(native("POST", "/v1/test/clock/advance", {"seconds": 1})["now"])) % 60
    now = instant(native("POST", "/v1/test/clock/advance", {"seconds": 60 - second})["now"])
    for node in BASES:
        asked = {}
        while instant(asked.get("created_at", "1970-01-01T00:00:00Z")) < now:
            if asked:
                native("GET", f"/v1/challenges/{asked['id']}?wait=1", node=node)
            asked = native("POST", "/v1/challenges", {"subject": "watchman", "expires_in": 30}, node=node)
    return int(now)


def refused_natively(code, subject, entered):
    try:
        native("POST", "/v1/checks", {"subject": subject, "code": entered})
    except urllib.error.HTTPError as error:
        told = json.load(error)["code"]
        claim(f"the native API says {code}, got {told}", told == code)
        return
    raise AssertionError(f"not refused with {code}")


def refused(status, code, call):
    try:
        call()
    except TwilioRestException as error:
        claim(f"{status}/{code}, got {error.status}/{error.code}: {error.msg}", (error.status, error.code) == (status, code))
        return error
    raise AssertionError(f"not refused with {code}")


def unlisted(status, code, call):
    """Lists are refused with the library's other class, which holds the answer."""
    try:
        call()
    except TwilioException as error:
        answer = error.args[1]
        got = (answer.status_code, json.loads(answer.text)["code"])
        claim(f"{status}/{code}, got {got} for a list", got == (status, code))
        return
    raise AssertionError(f"not refused with {code}")


def wrong(code):
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def main_flow():
    for channel, to in [("sms", "+48600100301"), ("email", "ann+news@example.com"), ("call", "+48600100302")]:
        started = service.verifications.create(to=to, channel=channel)
        claim(f"{channel} starts", started.status == "pending" and started.to == to and not started.valid)
        claim("instants are instants", isinstance(started.date_created, datetime.datetime))
        claim("attempts have SIDs", started.send_code_attempts[0]["attempt_sid"].startswith("VL"))
        code = message(to, started.sid)["code"]
        check = service.verification_checks.create(to=to, code=wrong(code))
        claim("a wrong code is pending", check.status == "pending" and check.valid is False)
        check = service.verification_checks.create(to=to, code=code)
        claim(f"{channel} is approved", check.status == "approved" and check.valid is True and check.sid == started.sid)
        gone = refused(404, 20404, lambda: service.verification_checks.create(to=to, code=code))
        claim("details tell the true state", gone.details["status"] == "approved")
        claim("the native API tells it too", native("GET", "/v1/verifications/" + native_id(started.sid))["status"] == "approved")
        refused(404, 20404, lambda: service.verifications(started.sid).fetch())


def tries_and_sends():
    to = "+48600100303"
    started = service.verifications.create(to=to, channel="sms")
    code = message(to, started.sid)["code"]
    for _ in range(5):
        claim("five wrong codes are answers", service.verification_checks.create(to=to, code=wrong(code)).status == "pending")
    refused(429, 60202, lambda: service.verification_checks.create(to=to, code=code))
    claim("the end is readable", service.verifications(started.sid).fetch().status == "max_attempts_reached")

    to = "+48600100304"
    sids = set()
    for nth, channel in enumerate(["sms", "call", "sms", "whatsapp", "sms"], 1):
        again = service.verifications.create(to=to, channel=channel)
        sids.add(again.sid)
        claim(f"send {nth} is an attempt more", len(again.send_code_attempts) == nth)
    claim("one SID for all sends", len(sids) == 1)
    codes = {item["code"] for item in native("GET", "/v1/test/outbox?wait=5&to=%2B48600100304")["data"]}
    claim("one code for all sends", len(codes) == 1)
    limited = refused(429, 60203, lambda: service.verifications.create(to=to, channel="sms"))
    claim("the text is the vendor's", "Max send attempts reached" in limited.msg)


def reading_and_ending():
    to = "+48600100305"
    started = service.verifications.create(to=to, channel="sms", tags='{"shop": "1"}', locale="pl", device_ip="203.0.113.7", risk_check="disable")
    claim("fetch by SID", service.verifications(started.sid).fetch().to == to)
    claim("fetch by number", service.verifications(to).fetch().sid == started.sid)
    claim("cancel", service.verifications(started.sid).update(status="canceled").status == "canceled")
    claim("canceled stays readable", service.verifications(started.sid).fetch().status == "canceled")
    fresh = service.verifications.create(to=to, channel="sms")
    claim("a new one after cancel", fresh.sid != started.sid)
    approved = service.verifications(fresh.sid).update(status="approved")
    claim("approved by hand", approved.status == "approved" and approved.valid)
    to = "+48600100306"
    started = service.verifications.create(to=to, channel="sms")
    plain = connect(PLAIN_KEY, PLAIN_SECRET).services(SERVICE)
    refused(403, 20403, lambda: plain.verifications(started.sid).update(status="approved"))
    later(600)
    refused(404, 20404, lambda: service.verification_checks.create(to=to, code="123456"))
    refused(404, 20404, lambda: service.verifications(started.sid).fetch())
    refused(404, 20404, lambda: service.verification_checks.create(to="+48600100399", code="123456"))
    native("POST", "/v1/verifications", {"to": "+48600100398"})
    refused(404, 20404, lambda: service.verifications("+48600100398").fetch())


def services():
    made = [verify.services.create(friendly_name=f"Shop {letter}", code_length=8) for letter in "ABC"]
    claim("eight digits", made[0].code_length == 8 and made[0].sid.startswith("VA"))
    claim("lists are paged", len(list(verify.services.list(page_size=1))) == 4)
    claim("limits hold", len(verify.services.list(limit=2)) == 2)
    shop = verify.services(made[0].sid)
    started = shop.verifications.create(to="+48600100307", channel="sms")
    sent = message("+48600100307", started.sid)
    claim("the service's length and name", len(sent["code"]) == 8 and "Shop A" in sent["text"])
    refused(404, 20404, lambda: service.verification_checks.create(to="+48600100307", code=sent["code"]))
    claim("its own code", shop.verification_checks.create(to="+48600100307", code=sent["code"]).valid)
    refused(403, 60204, lambda: shop.verifications.create(to="+48600100308", channel="sms", custom_code="4711"))
    updated = shop.update(custom_code_enabled=True, friendly_name="Shop D")
    claim("update", updated.custom_code_enabled and updated.friendly_name == "Shop D")
    custom = shop.verifications.create(to="+48600100308", channel="sms", custom_code="Ab12", custom_friendly_name="Fair")
    sent = message("+48600100308", custom.sid)
    claim("a custom code and name are sent", sent["code"] == "Ab12" and "Fair" in sent["text"])
    claim("a custom code is approved", shop.verification_checks.create(to="+48600100308", code="Ab12").valid)
    kept = shop.fetch()
    claim("links", kept.links["verifications"].startswith(tuple(BASES)))
    shop.update(lookup_enabled=True, skip_sms_to_landlines=True)
    refused(403, 60205, lambda: shop.verifications.create(to="+48221234567", channel="sms"))
    known = shop.verifications.create(to="+48600100317", channel="sms").lookup
    claim("the sort of line", known["carrier"]["type"] == "mobile")
    for other in made:
        claim("delete is True", verify.services(other.sid).delete() is True)
    refused(404, 20404, lambda: verify.services(made[0].sid).fetch())
    refused(403, 20403, lambda: verify.services(SERVICE).delete())
    refused(400, 60200, lambda: verify.services.create(friendly_name="call 12345 now"))


def payments():
    bank = verify.services(verify.services.create(friendly_name="Bank", psd2_enabled=True, custom_code_enabled=True).sid)
    refused(400, 60206, lambda: bank.verifications.create(to="+48600100309", channel="sms"))
    refused(400, 60214, lambda: bank.verifications.create(to="+48600100309", channel="call", amount="€39.99", payee="Acme"))
    refused(400, 60200, lambda: bank.verifications.create(to="+48600100309", channel="sms", amount="€39.99", payee="Acme", custom_code="1234"))
    refused(403, 60204, lambda: service.verifications.create(to="+48600100309", channel="sms", amount="€39.99", payee="Acme"))
    started = bank.verifications.create(to="+48600100309", channel="sms", amount="€39.99", payee="Acme")
    claim("amount and payee come back", (started.amount, started.payee) == ("€39.99", "Acme"))
    sent = message("+48600100309", started.sid)
    claim("the person reads both", "€39.99" in sent["text"] and "Acme" in sent["text"])
    refused(400, 60206, lambda: bank.verification_checks.create(to="+48600100309", code=sent["code"]))
    refused(404, 20404, lambda: bank.verification_checks.create(to="+48600100309", code=sent["code"], amount="€39.98", payee="Acme"))
    check = bank.verification_checks.create(to="+48600100309", code=sent["code"], amount="€39.99", payee="Acme")
    claim("approved with the same amount", check.valid and check.amount == "€39.99")
    verify.services(bank.fetch().sid).delete()


def limits():
    limit = service.rate_limits.create(unique_name="end_user_ip", description="per address")
    claim("a rate limit", limit.sid.startswith("RK") and limit.description == "per address")
    refused(400, 60208, lambda: service.rate_limits.create(unique_name="end_user_ip"))
    refused(400, 60209, lambda: service.rate_limits.create(unique_name="end user"))
    of = service.rate_limits(limit.sid)
    bucket = of.buckets.create(max=2, interval=60)
    claim("a bucket", (bucket.max, bucket.interval) == (2, 60))
    refused(400, 60211, lambda: of.buckets.create(max=9, interval=60))
    claim("bucket update", of.buckets(bucket.sid).update(max=1).max == 1)
    start = lambda to: service.verifications.create(to=to, channel="sms", rate_limits={"end_user_ip": "1.2.3.4"})
    start("+48600100310")
    reached = refused(429, 20429, lambda: start("+48600100311"))
    claim("the text is the vendor's", "Too many requests" in reached.msg)
    service.verifications.create(to="+48600100311", channel="sms", rate_limits={"end_user_ip": "1.2.3.5"})
    later(60)
    start("+48600100312")
    refused(400, 60200, lambda: service.verifications.create(to="+48600100313", channel="sms", rate_limits={"nobody": "1"}))
    claim("lists", [row.sid for row in of.buckets.list()] == [bucket.sid] and len(service.rate_limits.list()) == 1)
    claim("update", service.rate_limits(limit.sid).update(description="x").description == "x")
    for interval in range(61, 80):
        of.buckets.create(max=9, interval=interval)
    refused(400, 60210, lambda: of.buckets.create(max=9, interval=99))
    for nth in range(49):
        service.rate_limits.create(unique_name=f"limit{nth}")
    refused(400, 60207, lambda: service.rate_limits.create(unique_name="one.too.many"))
    claim("deletes", of.buckets(bucket.sid).delete() is True and service.rate_limits(limit.sid).delete() is True)
    refused(404, 20404, lambda: service.rate_limits(limit.sid).fetch())


def around():
    sender = "MG" + "a" * 32
    refused(403, 60204, lambda: service.messaging_configurations.create(country="PL", messaging_service_sid=sender))
    claim("no messaging configurations", service.messaging_configurations.list() == [])
    refused(404, 20404, lambda: service.messaging_configurations("PL").fetch())
    refused(403, 60204, lambda: service.update(whatsapp_msg_service_sid=sender))
    events = ["factor.verified", "challenge.approved"]
    hook = service.webhooks.create(friendly_name="w", event_types=events, webhook_url="https://example.com/w")
    claim("a webhook with two events", hook.event_types == events)
    claim("which says that it is not called", hook.status == "disabled")
    refused(403, 60204, lambda: service.webhooks(hook.sid).update(status="enabled"))
    claim("update", service.webhooks(hook.sid).update(friendly_name="v", resource_version="v1").friendly_name == "v")
    refused(400, 60306, lambda: service.webhooks.create(friendly_name="w", event_types=["nonsense"], webhook_url="https://example.com/w"))
    claim("list and delete", len(service.webhooks.list()) == 1 and service.webhooks(hook.sid).delete() is True)
    listed = verify.safelist.create(phone_number="+48600100314")
    claim("a safe number", listed.phone_number == "+48600100314" and listed.sid.startswith("GN"))
    refused(400, 60411, lambda: verify.safelist.create(phone_number="+48600100314"))
    claim("fetch and delete", verify.safelist("+48600100314").fetch().sid == listed.sid and verify.safelist("+48600100314").delete() is True)
    refused(404, 20404, lambda: verify.safelist("+48600100314").fetch())
    template = verify.templates.list()[0]
    claim("a template", "{{code}}" in template.translations["en"]["text"])
    service.verifications.create(to="+48600100315", channel="sms", template_sid=template.sid, app_hash="ABCDEFGHIJK")
    refused(404, 60228, lambda: service.verifications.create(to="+48600100315", channel="sms", template_sid="HJ" + "0" * 32))
    refused(400, 60408, lambda: service.verifications.create(to="ann@example.com", channel="email", template_sid=template.sid))
    claim("forms", verify.forms("form-push").fetch().form_type == "form-push")


def attempts():
    after = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    everything = verify.verification_attempts.list(date_created_after=after, page_size=3)
    claim("attempts over several pages", len(everything) > 6 and len({row.sid for row in everything}) == len(everything))
    one = verify.verification_attempts(everything[0].sid).fetch()
    claim("one attempt", one.sid == everything[0].sid and isinstance(one.date_created, datetime.datetime))
    to = verify.verification_attempts.list(channel_data_to="+48600100304")
    claim("attempts of a number", len(to) == 5)
    converted = verify.verification_attempts.list(status="converted")
    summary = verify.verification_attempts_summary().fetch()
    claim("the summary adds up", summary.total_attempts == len(everything) and summary.total_converted == len(converted))
    refused(404, 20404, lambda: verify.verification_attempts("VL" + "0" * 32).fetch())
    claim("a channel that is not used has no attempts", verify.verification_attempts.list(channel="rbm") == [])
    claim("calls alone", {row.channel for row in verify.verification_attempts.list(channel="call")} == {"call"})


def mistakes():
    refused(401, 20003, lambda: connect(KEY, "wrong").services(SERVICE).fetch())
    refused(401, 20003, lambda: connect("SK" + "0" * 32, SECRET).services(SERVICE).fetch())
    claim("the account's SID signs in too", connect(ACCOUNT, SECRET).services(SERVICE).fetch().sid == SERVICE)
    refused(404, 20404, lambda: verify.services("VA" + "0" * 32).verifications.create(to="+48600100316", channel="sms"))
    start = lambda **more: lambda: service.verifications.create(**{"to": "+48600100316", "channel": "sms", **more})
    bad = refused(400, 60200, start(to="+1555"))
    claim("the text names the parameter", "Invalid parameter `To`: +1555" in bad.msg)
    claim("and Locale", "Invalid parameter: Locale" in refused(400, 60200, start(locale="???")).msg)
    for more in [{"channel": "pigeon"}, {"send_digits": "1"}, {"device_ip": "x"}, {"tags": "x"}, {"risk_check": "x"},
                 {"channel": "auto"}, {"channel_configuration": {"from": "x"}}, {"app_hash": "x"}, {"to": "ann@example.com"},
                 {"template_custom_substitutions": '{"a":"b"}'}, {"enable_sna_client_token": True}]:
        refused(400, 60200, start(**more))
    refused(400, 60223, start(channel="sna"))
    refused(400, 60243, start(custom_message="x"))
    refused(400, 60602, start(channel="call", app_hash="ABCDEFGHIJK"))
    refused(400, 60252, start(templates='[{"sid":"HJ' + "0" * 32 + '"}]'))
    live = connect(LIVE_KEY, LIVE_SECRET).services(SERVICE)  # no route leads anywhere
    refused(400, 60217, lambda: live.verifications.create(to="ann@example.com", channel="email"))
    refused(400, 60223, lambda: live.verifications.create(to="+48600100316", channel="sms"))
    refused(400, 60221, lambda: service.verification_checks.create(code="123456"))
    refused(400, 60200, lambda: service.verification_checks.create(to="+48600100316"))
    blocked = refused(403, 60605, start(to="+15005550003"))
    claim("its true state in details", blocked.details["reason"] == "country_not_allowed")
    refused(403, 60410, start(to="+15005550004"))
    refused(400, 60223, start(to="+15005550002"))


def entities():
    made = service.entities.create(identity="ann-0000-0001")
    claim("an entity", made.sid.startswith("YE") and made.identity == "ann-0000-0001" and made.links["challenges"].startswith(tuple(BASES)))
    claim("instants are instants", isinstance(made.date_created, datetime.datetime))
    refused(409, 60301, lambda: service.entities.create(identity="ann-0000-0001"))
    for identity in ["short", "i" * 65, "ann@example.com"]:
        refused(400, 60366, lambda: service.entities.create(identity=identity))
    known = native("GET", "/v1/subjects/" + native_id(made.sid, "sbj"))
    claim("it is the native subject", known["external_id"] == "ann-0000-0001")
    native("PUT", "/v1/subjects/ext:ben", {})
    claim("a native subject is an entity", service.entities("ben").fetch().identity == "ben")
    before = len(service.entities.list())
    for nth in range(3):
        service.entities.create(identity=f"crowd-{nth:08}")
    listed = service.entities.list(page_size=2)
    claim("entities over several pages", len(listed) == before + 3 and len({row.sid for row in listed}) == len(listed))
    claim("newest first", listed[0].identity == "crowd-00000002")
    other = verify.services(verify.services.create(friendly_name="Other").sid)
    claim("every service sees them", other.entities("ann-0000-0001").fetch().sid == made.sid and other.delete())
    for nth in range(3):
        claim("delete is True", service.entities(f"crowd-{nth:08}").delete() is True)
    refused(404, 60392, lambda: service.entities("crowd-00000000").fetch())
    refused(404, 60392, lambda: service.entities("crowd-00000000").delete())
    unlisted(404, 60392, lambda: service.entities("crowd-00000000").factors.list())
    unlisted(404, 60392, lambda: service.entities("crowd-00000000").challenges.list())
    refused(404, 20404, lambda: verify.services("VA" + "0" * 32).entities("ann-0000-0001").fetch())


def factors():
    ann = service.entities("ann-0000-0002")
    made = ann.new_factors.create(friendly_name="Ann's phone", factor_type="totp", metadata={"os": "ios"})
    claim("a factor, and its entity with it", made.sid.startswith("YF") and service.entities("ann-0000-0002").fetch().sid == made.entity_sid)
    claim("unverified", made.status == "unverified" and made.factor_type == "totp")
    claim("its settings", made.config == {"alg": "sha1", "skew": 1, "code_length": 6, "time_step": 30})
    claim("notes are kept", made.metadata == {"os": "ios"} and ann.factors(made.sid).fetch().metadata == {"os": "ios"})
    app = pyotp.parse_uri(made.binding["uri"])
    claim("an app reads the URL", app.secret == made.binding["secret"] and app.name == "Ann's phone")
    for part in ["algorithm=SHA1", "digits=6", "period=30"]:
        claim("all stands in it", part in made.binding["uri"])
    factor = ann.factors(made.sid)
    claim("the secret is shown once", not hasattr(factor.fetch(), "binding") and made.binding["secret"] not in json.dumps(native("GET", "/v1/factors/" + native_id(made.sid, "fct"))))
    refused(403, 60318, lambda: ann.challenges.create(factor_sid=made.sid, auth_payload="123456"))

    now = next_minute()
    claim("a wrong code verifies nothing", factor.update(auth_payload=wrong(app.at(now))).status == "unverified")
    claim("nor does a short one", factor.update(auth_payload="123").status == "unverified")
    claim("the right code does", factor.update(auth_payload=app.at(now)).status == "verified")
    claim("and it stays so", factor.fetch().status == "verified")
    refused(403, 60311, lambda: factor.update(auth_payload=app.at(now)))
    ask = lambda code, **more: ann.challenges.create(factor_sid=made.sid, auth_payload=code, **more)
    claim("the code that verified is used up", ask(app.at(now)).status == "pending")
    claim("the native API shows the same", native("GET", "/v1/factors/" + native_id(made.sid, "fct"))["status"] == "active")

    now = next_minute()
    approved = ask(app.at(now))
    claim("a challenge with its code is approved", approved.status == "approved" and approved.sid.startswith("YC") and approved.factor_sid == made.sid)
    claim("instants are instants", isinstance(approved.date_responded, datetime.datetime) and isinstance(approved.expiration_date, datetime.datetime))
    for again in [app.at(now), app.at(now)[:3] + " " + app.at(now)[3:]]:
        claim("never twice", ask(again).status == "pending")

    now = next_minute()
    details = {"details_message": "Sign in?", "details_fields": [{"label": "City", "value": "Gdynia"}], "hidden_details": {"ip": "1.2.3.4"}}
    asked = ask(None, **details)
    claim("details come back", asked.details["message"] == "Sign in?" and asked.details["fields"] == details["details_fields"] and asked.hidden_details == {"ip": "1.2.3.4"})
    challenge = ann.challenges(asked.sid)
    claim("a wrong code leaves it pending", challenge.update(auth_payload=wrong(app.at(now))).status == "pending")
    claim("so does one of another length", challenge.update(auth_payload="1234").status == "pending")
    claim("and no code says nothing", challenge.fetch().status == "pending" and challenge.fetch().date_responded is None)
    claim("approved by the code", challenge.update(auth_payload=app.at(now)).status == "approved")
    answered = refused(403, 60322, lambda: challenge.update(auth_payload=app.at(now)))
    claim("its true state in details", answered.details["status"] == "approved" and answered.details["challenge"] == native_id(asked.sid, "chl"))
    claim("the native API tells it too", native("GET", "/v1/challenges/" + native_id(asked.sid, "chl"))["status"] == "approved")
    refused(400, 60307, lambda: challenge.notifications.create())

    now = next_minute()
    claim("a code that is used natively", native("POST", "/v1/checks", {"subject": "ann-0000-0002", "code": app.at(now)})["status"] == "approved")
    claim("is refused here", ask(app.at(now)).status == "pending")
    now = next_minute()
    claim("and the other way round", ask(app.at(now)).status == "approved")
    refused_natively("code_incorrect", "ann-0000-0002", app.at(now))
    theirs = native("POST", "/v1/challenges", {"subject": "ann-0000-0002"})
    hexadecimal = sid_of("YC", theirs["id"])
    refused(404, 60391, lambda: ann.challenges(hexadecimal).fetch())
    refused(404, 60391, lambda: ann.challenges(hexadecimal).update(auth_payload="123456"))

    claim("renamed", factor.update(friendly_name="Old phone").friendly_name == "Old phone" and factor.fetch().friendly_name == "Old phone")
    claim("said again is not changed", factor.update(config_time_step=30, config_alg="sha1").status == "verified")
    refused(400, 60306, lambda: factor.update(config_code_length=8))
    refused(404, 60390, lambda: service.entities("ann-0000-0001").factors(made.sid).fetch())
    refused(404, 60391, lambda: service.entities("ann-0000-0001").challenges(asked.sid).fetch())
    elsewhere = verify.services(verify.services.create(friendly_name="Other").sid)
    other = elsewhere.entities("ann-0000-0002")
    claim("every service sees a factor", other.factors(made.sid).fetch().sid == made.sid)
    refused(404, 60391, lambda: other.challenges(asked.sid).fetch())
    claim("and its own challenges", other.challenges.list() == [] and elsewhere.delete())

    pages = ann.challenges.list(page_size=2)
    claim("challenges over several pages", len(pages) > 5 and len({row.sid for row in pages}) == len(pages))
    claim("oldest first", [row.sid for row in pages] == [row.sid for row in reversed(ann.challenges.list(order="desc", page_size=3))])
    of = ann.challenges.list(status="approved")
    claim("approved ones alone", {row.status for row in of} == {"approved"} and len(of) == 3)
    claim("limits hold", len(ann.challenges.list(limit=2)) == 2)
    claim("those of a factor", len(ann.challenges.list(factor_sid=made.sid)) == len(pages) and ann.challenges.list(factor_sid="YF" + "0" * 32) == [])
    for more in [{"order": "up"}, {"status": "odd"}, {"factor_sid": "YF"}]:
        unlisted(400, 60306, lambda: ann.challenges.list(**more))
    short = ask(None, expiration_date=datetime.datetime.fromtimestamp(now + 120, datetime.timezone.utc))
    for _ in range(3):
        next_minute()
    refused(403, 60323, lambda: ann.challenges(short.sid).update(auth_payload="123456"))
    claim("expired stays readable", ann.challenges(short.sid).fetch().status == "expired")

    claim("a success ends the row of wrong codes", ask(app.at(next_minute())).status == "approved")
    now = next_minute()
    asked = ask(None)
    for _ in range(5):
        tried = ann.challenges(asked.sid).update(auth_payload=wrong(app.at(now)))
    claim("the fifth wrong code ends it", tried.status == "denied")
    refused(429, 60308, lambda: ann.challenges(asked.sid).update(auth_payload=app.at(now)))
    refused(429, 60308, lambda: ask(app.at(now)))
    refused_natively("factor_locked", "ann-0000-0002", app.at(now))
    next_minute()
    now = next_minute()
    claim("the pause is over at every door", ask(app.at(now)).status == "approved")
    now = next_minute()
    for _ in range(5):
        refused_natively("code_incorrect", "ann-0000-0002", wrong(app.at(now)))
    refused(429, 60308, lambda: ask(app.at(now)))

    claim("delete is True", factor.delete() is True)
    refused(404, 60390, lambda: factor.fetch())
    refused(404, 60390, lambda: ask("123456"))
    claim("gone natively too", native("GET", "/v1/factors/" + native_id(made.sid, "fct"))["status"] == "removed")
    claim("the entity goes with the rest", service.entities("ann-0000-0002").delete() is True)
    refused(404, 60391, lambda: ann.challenges(asked.sid).fetch())


def imports_and_mistakes():
    eve = service.entities("eve-0000-0001")
    make = lambda **more: eve.new_factors.create(**{"friendly_name": "Eve", "factor_type": "totp", **more})
    secret = pyotp.random_base32(64)
    brought = make(binding_secret=secret, config_alg="sha256", config_code_length=8, config_time_step=60)
    claim("a secret that is brought along", brought.binding["secret"] == secret)
    now = next_minute()
    app = pyotp.TOTP(secret, digits=8, digest=hashlib.sha256, interval=60)
    claim("verified by its app", eve.factors(brought.sid).update(auth_payload=app.at(now)).status == "verified")
    refused(409, 60317, lambda: make(binding_secret=secret.lower()))
    refused(400, 60314, lambda: make(binding_secret="JBSWY3DPEHPK3PXP"))
    refused(400, 60314, lambda: make(binding_secret="not base32"))
    for more in [{"friendly_name": "x" * 65}, {"config_skew": 0}, {"config_skew": 2}, {"config_code_length": 5}, {"config_time_step": 19},
                 {"config_alg": "md5"}, {"metadata": "[]"}, {"config_notification_platform": "none"}, {"binding_alg": "ES256"}]:
        refused(400, 60306, lambda: make(**more))
    refused(400, 60366, lambda: service.entities("eve").new_factors.create(friendly_name="x", factor_type="totp"))
    refused(400, 60369, lambda: make(factor_type="passkeys"))
    refused(400, 60369, lambda: make(factor_type=""))
    refused(403, 60313, lambda: make(factor_type="push"))
    refused(403, 60313, lambda: service.access_tokens.create(identity="eve-0000-0001", factor_type="push"))
    refused(404, 20404, lambda: service.access_tokens("YK" + "0" * 32).fetch())
    fresh = make()
    for _ in range(5):
        eve.factors(fresh.sid).update(auth_payload="000000")
    locked = refused(429, 60310, lambda: eve.factors(fresh.sid).update(auth_payload="000000"))
    claim("the text is the vendor's", "Max" in locked.msg)
    for _ in range(14):
        make()
    refused(400, 60315, make)
    claim("factors over several pages", len(eve.factors.list(page_size=3)) == 16)
    claim("limits hold", len(eve.factors.list(limit=2)) == 2)
    ask = lambda **more: eve.challenges.create(**{"factor_sid": brought.sid, **more})
    for more in [{"factor_sid": "nonsense"}, {"auth_payload": "12"}, {"auth_payload": "123456789"}, {"details_message": "x" * 257},
                 {"details_fields": ["{label=City, value=Gdynia}"]}, {"hidden_details": '{"a":1}'},
                 {"expiration_date": datetime.datetime(2020, 1, 1)}, {"expiration_date": datetime.datetime(2120, 1, 1)}]:
        refused(400, 60306, lambda: ask(**more))
    refused(404, 60390, lambda: ask(factor_sid="YF" + "0" * 32))
    refused(404, 60390, lambda: eve.factors("nonsense").fetch())
    refused(404, 60391, lambda: eve.challenges("YC" + "0" * 32).fetch())
    refused(400, 60306, lambda: eve.challenges(ask().sid).update(metadata={"a": "b"}))
    shop = verify.services(verify.services.create(friendly_name="Shop E", totp_issuer="Nord", totp_code_length=7, totp_time_step=20).sid)
    shops = shop.entities("eve-0000-0002").new_factors.create(friendly_name="Eve", factor_type="totp")
    claim("what a service is set to", shops.config["code_length"] == 7 and shops.config["time_step"] == 20 and "issuer=Nord" in shops.binding["uri"])
    refused(400, 60200, lambda: shop.update(totp_skew=2))
    claim("a factor outlives the service it came through", shop.delete() is True)
    pages = verify.services(SERVICE).entities("eve-0000-0002").factors
    claim("seen from every service", [row.sid for row in pages.list()] == [shops.sid])
    unlisted(400, 60374, lambda: pages.page(page_token="nonsense"))


# One node may be a second behind another's settings and test clock, counts rate limits for itself, and knows only of its
# own answers when it decides whether a quick second start is a repetition: those parts have a node of their own.
at_home = [tries_and_sends, reading_and_ending, services, limits, around, mistakes]
native("POST", "/v1/subjects/ext:watchman/factors", {"type": "totp", "confirmed": True})
for part in [main_flow, tries_and_sends, reading_and_ending, services, payments, limits, around, attempts, mistakes, entities, factors, imports_and_mistakes]:
    print("--", part.__name__)
    home = BASES[at_home.index(part) % len(BASES)] if part in at_home else None
    Balancer.nodes = itertools.cycle([home] if home else BASES)
    part()
