"""Verifies a number with twilio-python, unmodified: python verify.py +48600100217, then type the code."""

import os
import sys

from twilio.rest import Client

key, secret, account = (os.environ[name] for name in ("TWILIO_API_KEY", "TWILIO_API_SECRET", "TWILIO_ACCOUNT_SID"))
client = Client(key, secret, account)
client.verify.base_url = os.environ["TWILIO_BASE_URL"]  # the one line that is new

service = client.verify.v2.services(os.environ["TWILIO_SERVICE_SID"])
number = sys.argv[1]
print(service.verifications.create(to=number, channel="sms").status, flush=True)
print(service.verification_checks.create(to=number, code=sys.stdin.readline().strip()).status)
