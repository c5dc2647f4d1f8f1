"""The file server of a run: takes files, serves the firmware, refuses what it must not take."""

from __future__ import annotations

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from simfleet.load.uploads import (
    FILE_MAX_BYTES,
    FIRMWARE_BYTES,
    SERVED_AT_ONCE_MAX,
    Uploads,
    firmware,
    serve_uploads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def connected(uploads: Uploads) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(uploads.url).netloc, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def asked(uploads: Uploads, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    with connected(uploads) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_file_is_taken_and_counted(method: str) -> None:
    with serve_uploads() as uploads:
        assert uploads.url.startswith("http://127.0.0.1:")
        assert asked(uploads, method, "/logs/CP-1.txt", b"x" * 100_000) == (201, b"")
        figures = uploads.figures()
    assert (figures["received"], figures["received_bytes"]) == (1, 100_000)


def test_every_path_serves_the_same_firmware() -> None:
    with serve_uploads() as uploads:
        assert asked(uploads, "GET", "/firmware.bin") == (200, firmware())
        assert asked(uploads, "GET", "/other") == (200, firmware())
        give_up_s = time.monotonic() + 5
        while uploads.figures()["served"] < 2:  # counted a moment after the last byte went out
            assert time.monotonic() < give_up_s
    assert len(firmware()) == FIRMWARE_BYTES
    assert len({firmware()[n : n + 32] for n in range(0, FIRMWARE_BYTES, 32)}) == 2048


def test_below_missing_there_is_nothing() -> None:
    with serve_uploads() as uploads:
        assert asked(uploads, "GET", "/missing/firmware.bin")[0] == 404
        assert asked(uploads, "PUT", "/missing/log", b"x")[0] == 404
        assert uploads.figures() == {
            "received": 0,
            "received_bytes": 0,
            "served": 0,
            "refused": 2,
        }


def test_a_file_that_is_too_large_or_of_unknown_length_is_refused() -> None:
    with serve_uploads() as uploads:
        with connected(uploads) as connection:
            connection.putrequest("PUT", "/log")
            connection.putheader("Content-Length", str(FILE_MAX_BYTES + 1))
            connection.endheaders()
            assert connection.getresponse().status == 413
        with connected(uploads) as connection:
            connection.putrequest("PUT", "/log")
            connection.endheaders()
            assert connection.getresponse().status == 411
        assert uploads.figures()["received"] == 0


def test_a_file_that_is_cut_off_is_not_counted() -> None:
    with serve_uploads() as uploads:
        with socket.create_connection(("127.0.0.1", urlsplit(uploads.url).port or 0)) as client:
            client.sendall(b"PUT /log HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        asked(uploads, "GET", "/firmware.bin")
        assert uploads.figures()["received"] == 0


def test_more_clients_than_are_served_at_once_wait_for_their_turn() -> None:
    clients = 3 * SERVED_AT_ONCE_MAX
    with serve_uploads() as uploads, ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(lambda n: asked(uploads, "PUT", f"/{n}", b"x"), range(clients)))
        assert {status for status, _ in done} == {201}
        assert uploads.figures()["received"] == clients


def test_when_it_is_over_nobody_listens() -> None:
    with serve_uploads() as uploads:
        port = urlsplit(uploads.url).port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port or 0), timeout=1)
