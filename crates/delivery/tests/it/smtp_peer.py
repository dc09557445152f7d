"""A mail relay for the tests: aiosmtpd with STARTTLS and AUTH, that misbehaves by recipient.

One JSON object per line on stdout: first {"port": N}, then one per message taken, read by Python's own
mail parser. Ends when its stdin does.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# aiosmtpd warns about its own defaults; a failing test should show its own words only.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def say(value):
    print(json.dumps(value), flush=True)


def parsed(data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return {
        "headers": [[name, str(value)] for name, value in message.items()],
        "type": message.get_content_type(),
        "parts": [[part.get_content_type(), part.get_content().replace("\r\n", "\n")] for part in parts],
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
    }


class Relay(SMTP):
    connections = 0

    def connection_made(self, transport):
        # Called again after STARTTLS, which is the same connection.
        if self.session is None:
            Relay.connections += 1
            self.number = Relay.connections
        super().connection_made(transport)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        match address.split("@")[0]:
            case "nobody":
                return f"550 5.1.1 <{address}> no such mailbox"
            case "grey":
                return "450 4.2.0 greylisted"
            case "policy":
                return "554 5.7.1 relay access denied"
            case "hang":
                await asyncio.Event().wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "spam":
            return "554 5.6.0 refused"
        say(
            {
                "connection": server.number,
                "hello": session.host_name,
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": session.auth_data and session.auth_data.login.decode(),
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "options": envelope.mail_options,
                **parsed(envelope.original_content),
            }
        )
        if name == "drop":
            server.transport.abort()
            await asyncio.Event().wait()
        if name == "goodbye":
            asyncio.get_running_loop().call_soon(server.transport.close)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == b"otp" and data.password == b"s3cret"
    return AuthResult(success=good, handled=False, auth_data=data)


async def main(mode, certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    options = {"hostname": "relay.test", "enable_SMTPUTF8": mode == "tls"}
    if mode != "clear":
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": mode == "starttls"}
    if mode == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if mode == "login":
        options |= {"tls_context": context, "require_starttls": True, "auth_exclude_mechanism": ["PLAIN"]}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Relay(Handler(), loop=loop, **options),
        host="127.0.0.1",
        port=0,
        ssl=context if mode == "tls" else None,
    )
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main(*sys.argv[1:]))
