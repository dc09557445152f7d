"""Drives an unmodified twilio-python against Countersign and says what held.

twilio_client.py <Twilio base URLs> <AC…> <SK…> <secret> <VA…> <native test key> <SK… without override> <its secret> <live SK…> <its secret>

Several base URLs, with commas between, are nodes of one store, over which requests are spread.
"""

import datetime
import itertools
import json
import sys
import urllib.parse
import urllib.request

from twilio.base.exceptions import TwilioRestException
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


def native(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    node = next(Balancer.nodes).removesuffix("/compat/twilio")
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


def native_id(sid):
    alphabet, number, text = "0123456789abcdefghjkmnpqrstvwxyz", int(sid[2:], 16), ""
    for _ in range(26):
        number, text = number >> 5, alphabet[number & 31] + text
    return "vrf_" + text


def later(seconds):
    native("POST", "/v1/test/clock/advance", {"seconds": seconds})


def refused(status, code, call):
    try:
        call()
    except TwilioRestException as error:
        claim(f"{status}/{code}, got {error.status}/{error.code}: {error.msg}", (error.status, error.code) == (status, code))
        return error
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
    refused(403, 60313, lambda: service.entities("ff483d1ff591898a").new_factors.create(friendly_name="x", factor_type="totp"))
    refused(404, 60392, lambda: service.entities("ff483d1ff591898a").fetch())
    refused(404, 60390, lambda: service.entities("ff483d1ff591898a").factors("YF" + "0" * 32).fetch())
    refused(404, 60391, lambda: service.entities("ff483d1ff591898a").challenges("YC" + "0" * 32).fetch())
    refused(403, 60313, lambda: service.access_tokens.create(identity="ff483d1ff591898a", factor_type="push"))
    claim("no entities", service.entities.list() == [])
    blocked = refused(403, 60605, start(to="+15005550003"))
    claim("its true state in details", blocked.details["reason"] == "country_not_allowed")
    refused(403, 60410, start(to="+15005550004"))
    refused(400, 60223, start(to="+15005550002"))


# One node may be a second behind another's settings and test clock, counts rate limits for itself, and knows only of its
# own answers when it decides whether a quick second start is a repetition: those parts have a node of their own.
at_home = [tries_and_sends, reading_and_ending, services, limits, around, mistakes]
for part in [main_flow, tries_and_sends, reading_and_ending, services, payments, limits, around, attempts, mistakes]:
    print("--", part.__name__)
    home = BASES[at_home.index(part) % len(BASES)] if part in at_home else None
    Balancer.nodes = itertools.cycle([home] if home else BASES)
    part()
