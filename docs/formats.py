#!/usr/bin/env python3
"""Computes the vectors of formats.md from its text alone, and writes them into its ```vector blocks.

It shares no code with the product: HMAC, HKDF and SHA-256 are the standard library's, AES-256-GCM-SIV and Ed25519 are
those of the `cryptography` package, CBOR and base32 are the few lines below. Run it only to add a vector: a block that changes is
a broken format.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

ROOT = bytes(range(32))
ROOT_ID = 7
EPOCH = bytes(range(0xA0, 0xB0))
PROJECT = bytes.fromhex("018bcfe5680070008000000000000001")
LIVE, TEST = b"\x01", b"\x00"
MILLIS = 1_700_000_000_123


def lp(*fields):
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def mac(key, *fields):
    return hmac.new(key, lp(*fields), hashlib.sha256).digest()


def subkey(label, root=ROOT):
    pseudo_random = hmac.new(bytes(32), root, hashlib.sha256).digest()
    return hmac.new(pseudo_random, f"countersign/{label}/v1".encode() + b"\x01", hashlib.sha256).digest()


def uuid_v7(millis, random):
    raw = bytearray(millis.to_bytes(6, "big") + random)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return bytes(raw)


SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"


def base32_number(raw):
    """Right-aligned: 128 bits in 26 symbols, two zero bits in front."""
    number = int.from_bytes(raw, "big")
    return "".join(SYMBOLS[(number >> shift) & 31] for shift in range(125, -1, -5))


def base32_bits(raw):
    """Left-aligned: 256 bits in 52 symbols, four zero bits behind."""
    bits = "".join(f"{byte:08b}" for byte in raw) + "0000"
    return "".join(SYMBOLS[int(bits[at : at + 5], 2)] for at in range(0, 260, 5))


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for more, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | more]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(cbor(item) for item in value)


def row(*fields):
    """An array of fields in order; the ones at the end that are null are left out."""
    fields = list(fields)
    while fields and fields[-1] is None:
        fields.pop()
    return fields


def code(generation, purpose, address, binding, alphabet, length, verification):
    symbols, block = "", 0
    names = {"digits": "0123456789", "crockford": "0123456789ABCDEFGHJKMNPQRSTVWXYZ"}[alphabet]
    while len(symbols) < length:
        tag = mac(
            subkey("code"), b"code/v1", EPOCH, PROJECT, LIVE, verification, struct.pack(">I", generation),
            purpose.encode(), address, binding, alphabet.encode(), bytes([length]), struct.pack(">I", block),
        )
        symbols += "".join(names[b % len(names)] for b in tag if alphabet != "digits" or b < 250)
        block += 1
    return symbols[:length]


def seal(key, nonce, tenant_mode, table, row_id, column, root_id, plain):
    associated = lp(b"seal/v1", PROJECT, tenant_mode, table, row_id, column, struct.pack(">H", root_id))
    return associated, nonce + AESGCMSIV(key).encrypt(nonce, plain, associated)


def leaf(stored):
    return hashlib.sha256(b"\x00" + stored).digest()


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def proof_key(mode):
    """The signing key of a mode, its `x` and its `kid`."""
    key = Ed25519PrivateKey.from_private_bytes(subkey(f"proof/{mode}"))
    x = base64url(key.public_key().public_bytes_raw())
    thumbprint = hashlib.sha256(compact({"crv": "Ed25519", "kty": "OKP", "x": x}).encode()).digest()
    return key, x, base64url(thumbprint)


def signed_proof(mode, claims):
    key, _, kid = proof_key(mode)
    header, claims = compact({"alg": "EdDSA", "typ": "JWT", "kid": kid}), compact(claims)
    signed = f"{base64url(header.encode())}.{base64url(claims.encode())}"
    return {"header": header, "claims": claims, "token": f"{signed}.{base64url(key.sign(signed.encode()))}"}


def proof(mode, verification, to, masked, purpose, amr, acr, restricted, subject=None, session=None, txn=None):
    jti = "prf_" + base32_number(uuid_v7(MILLIS, bytes([0x77] * 10)))
    digest = hashlib.sha256(lp(jti.encode(), to.encode())).digest()
    return signed_proof(mode, {
        "iss": "https://otp.example" + ("" if mode == "live" else "/test"), "aud": "prj_" + base32_number(PROJECT),
        "sub": subject, "jti": jti, "iat": MILLIS // 1000, "exp": MILLIS // 1000 + 60,
        "vrf": "vrf_" + base32_number(verification), "session": session, "purpose": purpose,
        "amr": amr, "acr": acr, "restricted": restricted, "phishing_resistant": False,
        "recipient": masked, "recipient_digest": base64url(digest), "txn": txn, "livemode": mode == "live",
    })


PERSON = {
    name: uuid_v7(MILLIS, bytes([tail] * 10)) for name, tail in (("subject", 0x11), ("factor", 0x22), ("challenge", 0x44))
}


def moment(label, row_id, extra=b""):
    return mac(subkey("code"), b"moment/v1", EPOCH, label, PROJECT + LIVE, row_id, extra)


def persons(nonce, transaction_binding, transaction):
    """What stands in the rows of subjects, and what devices sign."""
    out, tenant = {}, PROJECT + LIVE
    subject, factor, challenge = PERSON["subject"], PERSON["factor"], PERSON["challenge"]
    index = mac(subkey("index"), b"subject/v1", tenant, b"user-42")
    out["subject index"] = {"user-42 live": index, "user-42 test": mac(subkey("index"), b"subject/v1", PROJECT + TEST, b"user-42")}
    data_key = bytes(range(0x40, 0x60))
    aad, wrapped = seal(subkey("wrap-subject"), nonce, LIVE, b"subject", subject, b"data_key", ROOT_ID, data_key)
    out["wrapped data key of a subject"] = {"data_key": data_key, "nonce": nonce, "aad": aad, "sealed": wrapped}
    secret = b"12345678901234567890"
    for name, table, row_id, column, plain in (
        ("subject", b"subject", subject, b"sealed",
         cbor(row("user-42", [["+48600100217", None, MILLIS]], [["plan", "gold"]]))),
        ("factor", b"factor", factor, b"sealed", cbor(row(secret, None, "Phone", None, "GT-1"))),
        ("factor of a device", b"factor", factor, b"sealed",
         cbor(row(b"", None, None, None, None, None, ["fcm:token", "pl"]))),
        ("backup codes", b"factor", factor, b"codes", bytes(range(32))),
        ("challenge", b"challenge", challenge, b"sealed",
         cbor(row(transaction, "s-1", [], "Pay?", [["Browser", "Firefox"]]))),
    ):
        aad, sealed = seal(data_key, nonce, LIVE, table, row_id, column, ROOT_ID, plain)
        out[f"sealed {name}"] = {"plain": plain, "aad": aad, "sealed": sealed}
    text = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = int.from_bytes(bytes(range(16)), "big")
    symbols = "".join(text[(number >> shift) & 31] for shift in range(125, -1, -5))
    out["backup code"] = {
        "random": bytes(range(16)), "text": "-".join(symbols[at : at + 4] for at in range(0, 26, 4)),
        "digest": mac(subkey("fingerprint"), b"backup-code/v1", tenant, factor, symbols.encode()),
    }
    question = moment(b"question", challenge, transaction_binding)
    pushed = moment(b"push-number", challenge, transaction_binding)
    out["moments"] = {
        "enrolment token": base64url(moment(b"enrolment", factor)[:16]),
        "activation": moment(b"activation", factor), "question": question,
        "question QN08": "".join(str(byte % 10) for byte in question[:8]),
        "question QA10": "".join(text[byte & 31] for byte in question[:10]),
        "question QH40": "".join(text[byte & 15] for byte in question[:16]),
        "number": 10 + int.from_bytes(pushed[:8], "big") % 90,
    }
    name, asked = ("fct_" + base32_number(factor)).encode(), ("chl_" + base32_number(challenge)).encode()
    out["device messages"] = {
        "enrolment": lp(b"countersign/device-enrolment/v1", name, b"token", bytes(range(32))),
        "poll": lp(b"countersign/device-poll/v1", name, str(MILLIS // 1000).encode()),
        "push token": lp(b"countersign/device-push-token/v1", name, str(MILLIS // 1000).encode(), b"fcm:token", b"pl"),
        "no push token": lp(b"countersign/device-push-token/v1", name, str(MILLIS // 1000).encode(), b"", b""),
        "response": lp(b"countersign/device-response/v1", name, asked, b"approve", b"42"),
        "response with a transaction": lp(
            b"countersign/device-response/v1", name, asked, b"approve", b"42", b"125000", b"EUR", b"NORD PARTS LTD", b"INV-77",
        ),
    }
    return out


def challenge_proof(mode, amr, acr, session=None, txn=None, purpose="authentication"):
    jti = "prf_" + base32_number(uuid_v7(MILLIS, bytes([0x77] * 10)))
    return signed_proof(mode, {
        "iss": "https://otp.example" + ("" if mode == "live" else "/test"), "aud": "prj_" + base32_number(PROJECT),
        "sub": "user-42", "jti": jti, "iat": MILLIS // 1000, "exp": MILLIS // 1000 + 60,
        "chl": "chl_" + base32_number(PERSON["challenge"]), "vrf": None, "session": session, "purpose": purpose,
        "amr": amr, "acr": acr, "restricted": False, "phishing_resistant": False, "txn": txn, "livemode": mode == "live",
    })


def edge(verification):
    """What the HTTP edge makes: the fingerprints of idempotent requests, and proofs."""
    out, finger = {}, subkey("fingerprint")
    method, path, key, body = "POST", "/v1/verifications", "order-42", '{"to": "+48600100217"}'
    out["idempotency"] = {
        "method": method, "path": path, "key": key, "body": body,
        "scope digest": mac(finger, b"idempotency/v1", PROJECT + LIVE, method.encode(), path.encode(), key.encode()),
        "body digest": mac(finger, b"body/v1", body.encode()),
        "empty body digest": mac(finger, b"body/v1", b""),
    }
    scope = out["idempotency"]["scope digest"]
    out["idempotency"] |= {
        f"{step} step digest": hashlib.sha256(scope + step.encode()).digest() for step in ("message", "settle")
    }
    out["proof keys"] = {
        f"{mode} {name}": value
        for mode in ("live", "test")
        for name, value in zip(("x", "kid"), proof_key(mode)[1:])
    }
    txn = {"amount": 125_000, "currency": "EUR", "payee": "NORD PARTS LTD", "reference": "INV-77"}
    out["proof live"] = proof(
        "live", verification, "+48600100217", "+48••••••17", "transaction", ["otp", "sms"],
        "urn:countersign:acr:otp:sms", True, "user-42", "s-1", txn,
    )
    out["proof test"] = proof(
        "test", verification, "Ann+news@example.com", "A•••@example.com", "authentication", ["otp"],
        "urn:countersign:acr:otp:email", False,
    )
    out["challenge proof live"] = challenge_proof("live", ["otp"], "urn:countersign:acr:otp:totp", "s-1", txn, "transaction")
    out["challenge proof test"] = challenge_proof("test", ["pop", "swk"], "urn:countersign:acr:push")
    return out


def vectors():
    out = {}
    tenant = PROJECT + LIVE
    random = bytes(range(1, 11))
    verification = uuid_v7(MILLIS, random)
    recipient = uuid_v7(MILLIS, bytes([0xFF] * 10))
    out["given"] = {
        "root": ROOT, "root_id": ROOT_ID, "epoch": EPOCH, "project": PROJECT, "verification": verification,
        "recipient": recipient,
    } | PERSON
    out["length-prefixed"] = {"fields": "ab,,c", "bytes": lp(b"ab", b"", b"c")}
    labels = ["code", "index", "fingerprint", "wrap", "wrap-subject", "proof/test", "proof/live"]
    out["subkeys"] = {label: subkey(label) for label in labels} | {"check-value": subkey("check-value")[:8]}

    index = lambda mode, kind, text: mac(subkey("index"), b"recipient/v1", PROJECT, mode, bytes([kind]), text.encode())
    phone = index(LIVE, 1, "+48600100217")
    out["index"] = {
        "phone +48600100217 live": phone,
        "phone +48600100217 test": index(TEST, 1, "+48600100217"),
        "email Ann+news@example.com exact": index(LIVE, 2, "Ann+news@example.com"),
        "email Ann+news@example.com folded": index(LIVE, 2, "ann@example.com"),
    }

    finger = subkey("fingerprint")
    subject = mac(finger, b"binding/v1", tenant, b"subject", b"user-42")
    session = mac(finger, b"binding/v1", tenant, b"session", b"s-1")
    amount = struct.pack(">Q", 125_000)
    transaction = mac(finger, b"transaction/v1", amount, b"EUR", b"NORD PARTS LTD", b"INV-77")
    bare = mac(finger, b"transaction/v1", amount, b"EUR", b"NORD PARTS LTD", b"")
    digest = lambda *parts: hashlib.sha256(lp(b"binding/v1", *parts)).digest()
    all_three, none = digest(transaction, subject, session), digest(b"", b"", b"")
    out["fingerprint"] = {
        "fields": "a,b", "digest": mac(finger, b"a", b"b"), "subject user-42": subject, "session s-1": session,
        "transaction 125000 EUR NORD PARTS LTD INV-77": transaction,
        "transaction 125000 EUR NORD PARTS LTD": bare,
        "written €39.99 Acme": mac(finger, b"written-transaction/v1", "€39.99".encode(), b"Acme"),
    }
    out["binding"] = {"all": all_three, "subject only": digest(b"", subject, b""), "none": none}

    arguments = {"address": phone, "verification": verification}
    out["code"] = {
        "digits 6 authentication none generation 0":
            code(0, "authentication", binding=none, alphabet="digits", length=6, **arguments),
        "digits 6 authentication none generation 1":
            code(1, "authentication", binding=none, alphabet="digits", length=6, **arguments),
        "digits 8 transaction all generation 0":
            code(0, "transaction", binding=all_three, alphabet="digits", length=8, **arguments),
        "crockford 10 recovery none generation 0":
            code(0, "recovery", binding=none, alphabet="crockford", length=10, **arguments),
        "digits 40 authentication none generation 0":
            code(0, "authentication", binding=none, alphabet="digits", length=40, **arguments),
    }

    data_key, nonce = bytes(range(0x40, 0x60)), bytes(range(0x60, 0x6C))
    aad, wrapped = seal(subkey("wrap"), nonce, LIVE, b"recipient", recipient, b"data_key", ROOT_ID, data_key)
    out["wrapped data key"] = {"data_key": data_key, "nonce": nonce, "aad": aad, "sealed": wrapped}
    private = cbor(row(
        "+48600100217", "user-42", None, None, [["order", "42"]], "pl", None, None, "+48••••••17",
    ))
    aad, sealed = seal(data_key, nonce, LIVE, b"verification", verification, b"sealed", ROOT_ID, private)
    out["sealed verification"] = {"plain": private, "aad": aad, "sealed": sealed}

    aad, sealed = seal(data_key, nonce, LIVE, b"verification", verification, b"code", ROOT_ID, b"Ab12")
    out["sealed code"] = {"plain": b"Ab12", "aad": aad, "sealed": sealed}

    entry_id, request = uuid_v7(MILLIS, bytes(10)), uuid_v7(MILLIS, bytes([0x55] * 10))
    key_id = uuid_v7(MILLIS, bytes([0x33] * 10))
    tenant_row = [PROJECT, 1]
    entry = lambda actor, request, event, recipient=recipient, verification=verification: cbor(row(
        entry_id, tenant_row, MILLIS, actor, request, recipient, verification, None, event,
    ))
    created = entry([0, key_id], request, [0, 0, 0, 0, ["gateway", "backup"]])
    out["journal created"] = {"bytes": created, "leaf": leaf(created)}
    failed = entry([0, key_id], request, [3, 0, False, [2], MILLIS + 60_000])
    out["journal check failed"] = {"bytes": failed, "leaf": leaf(failed)}
    approved = entry([0, key_id], request, [4])
    out["journal approved"] = {"bytes": approved, "leaf": leaf(approved)}
    expired = entry([1], None, [5, [4]])
    out["journal expired"] = {"bytes": expired, "leaf": leaf(expired)}
    project = entry([2], None, [8], None, None)
    out["journal project created"] = {"bytes": project, "leaf": leaf(project)}
    setting = entry([2], None, [17, 0, PROJECT], None, None)
    out["journal setting written"] = {"bytes": setting, "leaf": leaf(setting)}
    receipt = entry([1], None, [19, "gateway", 3, "unavailable", "off"])
    out["journal receipt"] = {"bytes": receipt, "leaf": leaf(receipt)}
    stepped = entry([1], None, [20, 1, 0, 1, ["caller"], [[2, 1]]])
    out["journal stepped"] = {"bytes": stepped, "leaf": leaf(stepped)}
    place = [PERSON["subject"], PERSON["factor"]]
    enrolled = cbor(row(
        entry_id, tenant_row, MILLIS, [0, key_id], request, None, None, None, [30, [5, 0]], place,
    ))
    out["journal factor enrolled"] = {"bytes": enrolled, "leaf": leaf(enrolled)}
    denied = cbor(row(
        entry_id, tenant_row, MILLIS, [3, PERSON["factor"]], None, None, None, None, [30, [18, 3]],
        [PERSON["subject"], PERSON["factor"], PERSON["challenge"]],
    ))
    out["journal challenge denied"] = {"bytes": denied, "leaf": leaf(denied)}
    out["leaf"] = {"empty": leaf(b""), "00": leaf(b"\x00")}

    out["id"] = {"bytes": verification, "text": "vrf_" + base32_number(verification)}
    secret = "sk_live_" + base32_bits(ROOT)
    out["api key"] = {
        "random": ROOT, "text": secret, "prefix": secret[:20], "hash": hashlib.sha256(secret.encode()).digest(),
    }
    pair = base32_bits(ROOT)
    out["pair"] = {
        "random": ROOT, "id": key_id, "text": pair, "prefix": "SK" + key_id.hex(),
        "hash": hashlib.sha256(pair.encode()).digest(),
    }
    kept = [125_000, "EUR", "NORD PARTS LTD", "INV-77"]
    return out | persons(nonce, digest(transaction, b"", session), kept) | edge(verification)


def block(name, values):
    show = lambda value: value.hex() if isinstance(value, bytes) else str(value)
    lines = "".join(f"{key} = {show(value)}\n" for key, value in values.items())
    return f"```vector {name}\n{lines}```"


def main():
    path = pathlib.Path(__file__).with_name("formats.md")
    computed = vectors()
    text = re.sub(
        r"```vector ([^\n]+)\n.*?```", lambda found: block(found[1], computed.pop(found[1])), path.read_text(), flags=re.S
    )
    if computed:
        raise SystemExit(f"formats.md has no place for: {', '.join(computed)}")
    path.write_text(text)


if __name__ == "__main__":
    main()
