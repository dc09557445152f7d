"""smpplib, an ESME that nobody here wrote, as judge of our SMSC.

    python smpplib_client.py PORT NUMBER…

Binds, submits to each number, and prints what it is answered and delivered until it has as many receipts as messages
that were taken and want one. The numbers' last four digits say what the SMSC does.
"""

import json
import sys

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

say = lambda event: print(json.dumps(event), flush=True)
port, numbers = int(sys.argv[1]), sys.argv[2:]
text = "482913 — your code is here, and this text is long enough for two parts. " * 2
taken, receipts = {}, []


def delivered(pdu):
    text = pdu.short_message.decode("latin-1")
    receipts.append(pdu.receipted_message_id)
    say({
        "receipt": pdu.receipted_message_id.decode(),
        "state": pdu.message_state,
        "esm_class": pdu.esm_class,
        "text": text,
    })


def answered(pdu):
    say({"status": pdu.status, "id": (pdu.message_id or b"").decode()})
    if pdu.status == 0 and pdu.sequence in wants:
        taken[pdu.sequence] = pdu.message_id


wants = set()
client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True, timeout=15)
client.set_message_received_handler(lambda pdu: delivered(pdu))
client.set_message_sent_handler(lambda pdu: answered(pdu))
client.set_error_pdu_handler(lambda pdu: None)
client.connect()
try:
    client.bind_transceiver(system_id="judge", password="wrong")
    say({"bound": "with the wrong password"})
except smpplib.exceptions.PDUError as error:
    say({"refused": error.args[1]})
client.disconnect()
client.connect()
client.bind_transceiver(system_id="judge", password="s3cret")
say({"bound": True})

sent = 0
for number in numbers:
    parts, coding, kind = smpplib.gsm.make_parts(text)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        pdu = client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="ACME",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr=number,
            short_message=part,
            data_coding=coding,
            esm_class=kind,
            registered_delivery=last,
        )
        if last:
            wants.add(pdu.sequence)
        sent += 1

expected = int(sys.stdin.readline())
while len(receipts) < expected:
    client.read_once()
client.unbind()
client.disconnect()
say({"done": True})
