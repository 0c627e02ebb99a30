"""Turns an invented vendor's webhook into signed events: {"event": "joined", "call": "17", "queue": …, "time": …}.

The vendor is told 204 only when the event is in the journal; until then it must call again."""

import contextlib
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MONITOR = os.environ.get("MONITOR", "http://127.0.0.1:8080/api/v1/events")
NAME, SWITCH = os.environ.get("KC_SOURCE", "vendor"), os.environ.get("KC_SWITCH", "vendor")
SECRET, TOKEN = os.environ.get("KC_SECRET", ""), os.environ.get("VENDOR_TOKEN", "")
TYPES = {"joined": "call.entered", "answered": "call.answered", "hung_up": "call.left", "ended": "call.completed"}


def translate(said: dict[str, str]) -> dict[str, object]:
    """One call of the webhook as one of our events. The caller's number, if it was told, stays here."""
    data = {"visit_id": f"{SWITCH}:{said['call']}", "contact_id": f"{SWITCH}:{said['call']}", "queue": said["queue"]}
    data |= {"agent_id": f"{SWITCH}:{said['agent']}"} if said.get("agent") else {}
    data |= {"outcome": "abandoned"} if said["event"] == "hung_up" else {}
    head = {"specversion": "1.0", "id": f"{said['call']}/{said['event']}", "source": f"urn:kc:http:{NAME}"}
    return {**head, "type": f"se.kundcenter.{TYPES[said['event']]}", "time": said["time"], "data": data}


def send(*events: dict[str, object]) -> int:
    """Post a batch; 202 and 200 mean that it is in the journal. An empty one is a sign of life."""
    body, stamp = json.dumps(events).encode(), str(int(time.time()))  # noqa: TID251
    mac = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-KC-Source": NAME, "X-KC-Timestamp": stamp, "X-KC-Signature": f"sha256={mac}"}
    headers["Content-Type"] = "application/cloudevents-batch+json"
    with urllib.request.urlopen(urllib.request.Request(MONITOR, body, headers), timeout=15) as answer:
        return int(answer.status)


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body, status = self.rfile.read(int(self.headers["Content-Length"])), 204
        try:
            if not (TOKEN and hmac.compare_digest(self.headers.get("X-Token", "").encode(), TOKEN.encode())):
                status = 401
            elif (said := json.loads(body))["event"] in TYPES:
                send(translate(said))
        except OSError:  # refused, late or out of reach
            status = 503
        self.send_response(status)
        self.end_headers()


def say_that_we_live() -> None:
    while True:
        with contextlib.suppress(OSError):
            send()
        time.sleep(60)


if __name__ == "__main__":
    threading.Thread(target=say_that_we_live, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", 8090), Webhook).serve_forever()
