"""A `simfleet serve` to be measured: started on a core of its own, asked over one connection."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from bench.children import Child, ChildFailed, python
from bench.machine import generator_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "sf_bench_0123456789abcdefghijklmnopqrstuvwxyz"
READY_TIMEOUT_S = 60.0
COMMAND = python("simfleet", "serve")
ENVIRONMENT = {
    "SIMFLEET_API_KEY": KEY,
    # What is measured is the service, not its rate limits.
    "SIMFLEET_REQUESTS_PER_S": "0",
    "SIMFLEET_REQUESTS_PER_S_PER_IP": "0",
}


class Service:
    """A service that runs, and one HTTP connection to it."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """One request; its answer's content. Raises ChildFailed for an answer above 299."""
        headers = {"X-API-Key": KEY}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body=content, headers=headers)
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status > 299:
            raise ChildFailed(f"{method} {path}: {answer.status} {received.decode()}")
        return received

    def get(self, path: str) -> Any:
        """The JSON that is there."""
        return msgspec.json.decode(self.call("GET", path))

    def wait_until(
        self, path: str, holds: Callable[[Any], bool], *, within_s: float, every_s: float = 0.5
    ) -> Any:
        """Ask until the answer is so. Raises ChildFailed."""
        ends_s = time.monotonic() + within_s
        while not holds(found := self.get(path)):
            if time.monotonic() > ends_s:
                raise ChildFailed(f"{path}: not within {within_s:g} s: {found}")
            time.sleep(every_s)
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def a_service(folder: Path) -> Iterator[Service]:
    """A service without a CSMS of its own, its database below `folder`."""
    port = _free_port()
    options = ("--port", str(port), "--no-csms", "--db", str(folder / "bench.db"))
    with Child(
        [*COMMAND, *options],
        core=generator_core(),
        environment=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        stops_on_stdin=False,
    ) as child:
        service = Service(child, port)
        _wait_until_ready(service)
        try:
            yield service
        finally:
            service.close()


def _wait_until_ready(service: Service) -> None:
    ends_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            service.call("GET", "/health")
            return
        except (OSError, http.client.HTTPException):
            service.close()
            if not service.child.running() or time.monotonic() > ends_s:
                raise ChildFailed("simfleet serve did not get ready") from None
            time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
