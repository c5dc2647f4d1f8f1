"""`simfleet csms` as a person runs it."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from builders_csms import BOOT, call
from simfleet.cli.csms import behaviour_from
from simfleet.cli.main import build_parser
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.misbehaviour import KINDS
from simfleet.csms.pki_folder import PkiFolder
from simfleet.link.link import CLOSE_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDSHAKE = b"\r\n".join(
    (
        b"GET /CP-1 HTTP/1.1",
        b"Host: x",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Protocol: ocpp1.6",
        b"\r\n",
    )
)
COMMAND = [sys.executable, "-m", "simfleet", "csms"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `simfleet csms` on a free port, and its URL without the identity."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.fullmatch(
                r"listening on (ws://127\.0\.0\.1:\d+)/\{identity\}"
                r"(?: and wss://127\.0\.0\.1:\d+/\{identity\})?"
                r" \(ocpp1\.6, ocpp2\.0\.1, ocpp2\.1\)\n",
                said,
            )
            assert found, said
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_then_sums_up(stop_signal: signal.Signals) -> None:
    with running() as (process, url):
        with connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as client:
            client.send(call("1", "BootNotification", BOOT).decode())
            assert '"Accepted"' in str(client.recv(timeout=10))
            process.send_signal(stop_signal)
            out, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert out.startswith("1 stations, 1 connected at most, 1 CALLs")
        assert err == ""


def test_a_second_signal_does_not_wait_for_anybody() -> None:
    with running() as (process, url):
        host, _, port = url.removeprefix("ws://").partition(":")
        with socket.create_connection((host, int(port))) as deaf:  # never answers a close frame
            deaf.sendall(HANDSHAKE)
            assert deaf.recv(4096).startswith(b"HTTP/1.1 101")
            process.send_signal(signal.SIGINT)
            assert deaf.recv(4096)[:4] == b"\x88\x0a\x03\xe9"  # close, 1001
            began_s = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
            assert time.perf_counter() - began_s < CLOSE_TIMEOUT_S / 2
        assert process.returncode == 0


def test_options_shape_the_behaviour() -> None:
    options = ("--boot", "pending:1", "--boot-interval", "4", "--misbehave", "duplicate")
    with (
        running(*options) as (_, url),
        connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as client,
    ):
        client.send(call("1", "BootNotification", BOOT).decode())
        first = str(client.recv(timeout=10))
        assert '"Pending"' in first
        assert '"interval":4' in first
        assert str(client.recv(timeout=10)) == first


def test_a_port_in_use_is_a_clear_usage_error() -> None:
    with running() as (_, url):
        port = url.rpartition(":")[2]
        second = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=20
        )
    assert second.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    "options",
    [("--misbehave", "sulk"), ("--delay", "soon"), ("--boot", "never"), ("--behaviour", "{}x")],
)
def test_options_that_cannot_be_used_are_usage_errors(options: tuple[str, str]) -> None:
    refused = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=20)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_help_shows_every_kind_of_misbehaviour() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=20).stdout
    for kind in KINDS.values():
        assert f"{kind.name}{kind.value}" in shown
        assert kind.description in shown


def test_a_whole_behaviour_is_taken_as_it_is_and_refined_by_the_other_options() -> None:
    given = Behaviour(seed=7, drop=0.5, boot="pending", heartbeat_interval_s=60)
    options = ["csms", "--behaviour", msgspec.json.encode(given).decode()]
    assert behaviour_from(build_parser().parse_args(options)) == given
    refined = behaviour_from(build_parser().parse_args([*options, "--boot", "accepted"]))
    assert refined == msgspec.structs.replace(given, boot="accepted")


# ── security profiles ────────────────────────────────────────────────────────────────────────────


def test_tls_is_served_beside_plain_and_the_books_tell_who_was_refused(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    folder.init(at_wall_s=time.time())
    passwords = tmp_path / "passwords.txt"
    passwords.write_text("# all\nCP-1:s3cret\n")
    trusted = ssl.create_default_context(cafile=folder.ca_pem)
    options = ("--pki", str(folder.path), "--passwords", str(passwords))
    with running(*options, "--security-profile", "1") as (process, url):
        for scheme, context in (("ws://CP-1:s3cret@", None), ("wss://CP-1:s3cret@", trusted)):
            with connect(
                url.replace("ws://", scheme) + "/CP-1",
                subprotocols=[Subprotocol("ocpp1.6")],
                ssl=context,
            ) as client:
                client.send(call("1", "BootNotification", BOOT).decode())
                assert '"Accepted"' in str(client.recv(timeout=10))
                event = {"type": "StartupOfTheDevice", "timestamp": "2026-01-01T00:00:00Z"}
                client.send(call("2", "SecurityEventNotification", event).decode())
                client.recv(timeout=10)
        with pytest.raises(InvalidStatus):
            connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")])
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert "security events: StartupOfTheDevice 2\n" in out
    assert out.endswith("refused connections: no_password 1\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--security-profile", "2", "--password", "x"), "simfleet pki init DIR"),
        (("--security-profile", "1"), "needs --password or --passwords"),
        (("--security-profile", "4"), "from 0 to 3"),
        (("--passwords", "/no/such/file"), "--passwords: cannot read /no/such/file"),
        (("--pki", "/no/such/folder"), "simfleet pki init /no/such/folder"),
    ],
)
def test_security_that_cannot_be_served_is_a_usage_error(
    options: tuple[str, ...], said: str
) -> None:
    ended = subprocess.run(
        [*COMMAND, "--port", "0", *options], capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
