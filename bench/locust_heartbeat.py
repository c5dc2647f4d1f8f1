"""The peer of bench_peer: Locust users that boot and send heartbeats over websocket-client.

    locust -f bench/locust_heartbeat.py --headless -u 1000 -r 500 --host ws://127.0.0.1:9000

As one would write it by Locust's documentation for protocols it does not know: one connection per
user, one request event per CALL. The job is the same as our station's in mode `connect`, done with
the least: no status, no validation, no answer to anything that the CSMS might ask.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

import websocket
from locust import User, constant, constant_pacing, task

HEARTBEAT_INTERVAL_S = float(os.environ.get("HEARTBEAT_INTERVAL_S", "1"))
"""0: closed loop, the next heartbeat is sent when the last one is answered."""
_numbers = itertools.count(1)


class Charger(User):
    """One charger: connect and boot, then a heartbeat per interval."""

    wait_time = constant_pacing(HEARTBEAT_INTERVAL_S) if HEARTBEAT_INTERVAL_S else constant(0)

    def on_start(self) -> None:
        """Connect and boot."""
        self.sent = 0
        url = f"{self.host}/LOCUST-{next(_numbers):05}"
        self.link = websocket.create_connection(url, subprotocols=["ocpp1.6"])
        self.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})

    @task
    def heartbeat(self) -> None:
        """Send one heartbeat and wait for its answer."""
        self.call("Heartbeat", {})

    def call(self, action: str, payload: dict[str, Any]) -> None:
        """One CALL, reported to Locust's statistics."""
        self.sent += 1
        sent_s = time.perf_counter()
        error: Exception | None = None
        answer: str | bytes = ""
        try:
            self.link.send(json.dumps([2, str(self.sent), action, payload]))
            answer = self.link.recv()
            kind, id_, _ = json.loads(answer)
            if (kind, id_) != (3, str(self.sent)):
                error = ValueError(f"not the answer: {answer!r}")
        except (OSError, ValueError, websocket.WebSocketException) as failure:
            error = failure
        self.environment.events.request.fire(
            request_type="OCPP",
            name=action,
            response_time=(time.perf_counter() - sent_s) * 1000,
            response_length=len(answer),
            exception=error,
            context={},
        )

    def on_stop(self) -> None:
        """Close the connection."""
        self.link.close()
