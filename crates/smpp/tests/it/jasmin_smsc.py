"""One of the misbehaving SMSCs of Jasmin's tests, which nobody here wrote.

    python jasmin_smsc.py DIRECTORY CLASS

DIRECTORY holds `smsc_simulator.py`. Prints its port, then the name of each PDU it hears. Ends with its input.
"""

import json
import os
import sys
import threading

from twisted.internet import protocol, reactor

sys.path.insert(0, sys.argv[1])
import smsc_simulator  # noqa: E402


# The codec has words of its own; the test reads JSON only.
told, sys.stdout = sys.stdout, open(os.devnull, "w")


def say(event):
    try:
        print(json.dumps(event), file=told, flush=True)
    except BrokenPipeError:
        pass  # the test is over


class Told(getattr(smsc_simulator, sys.argv[2])):
    def PDUReceived(self, pdu):
        say({"heard": type(pdu).__name__, "status": str(pdu.status).split(".")[-1], "sequence": pdu.seqNum})
        super().PDUReceived(pdu)

    def connectionLost(self, reason=protocol.connectionDone):
        say({"closed": True})


factory = protocol.Factory.forProtocol(Told)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")


def until_input_ends():
    sys.stdin.read()
    reactor.callFromThread(reactor.stop)


threading.Thread(target=until_input_ends, daemon=True).start()
reactor.callWhenRunning(lambda: say({"port": port.getHost().port}))
reactor.run()
