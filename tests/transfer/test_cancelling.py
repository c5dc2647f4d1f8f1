"""A transfer that is cancelled ends at once: its socket, its thread, its task."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
import trio

from builders_transfer import ftp_server, hang, http_server
from simfleet.transfer import Kind, TransferFailed, download, upload, work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PROMPTLY_S = 2.0


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def cancelled(
    transfer: Callable[[], Awaitable[object]],
    *,
    after_s: float = 0.2,
    server_is_here: bool = False,
) -> None:
    """Begin a transfer, cancel it, and see that nothing of it is left; files are not counted where
    a server in this process has its own of the same connection.
    """
    before = open_files()
    with trio.fail_after(after_s + PROMPTLY_S), trio.move_on_after(after_s) as scope:
        await transfer()
    assert scope.cancelled_caught
    assert work._threads.borrowed_tokens == 0
    assert server_is_here or open_files() <= before


async def test_waiting_for_an_answer() -> None:
    with http_server() as server:
        server.answers["/x"] = hang(server)
        await cancelled(lambda: upload(f"{server.url}/x", "", b"hello"), server_is_here=True)


async def test_sending_to_a_server_that_does_not_read() -> None:
    with http_server() as server:
        server.answers["/x"] = hang(server)
        await cancelled(
            lambda: upload(f"{server.url}/x", "", b"x" * 30_000_000), server_is_here=True
        )


async def test_a_file_that_dribbles() -> None:
    with ftp_server() as server:
        server.files["fw"] = b"x" * 100
        server.stall_data = True
        await cancelled(lambda: download(server.url("/fw")), server_is_here=True)


async def test_storing_to_a_server_that_does_not_read() -> None:
    with ftp_server() as server:
        server.stall_data = True
        await cancelled(
            lambda: upload(server.url("/x"), "", b"x" * 30_000_000), server_is_here=True
        )


async def test_a_tls_handshake_that_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}/"
        await upload_fails_by_itself(url)
        await cancelled(lambda: upload(url, "a", b"hello"))


async def upload_fails_by_itself(url: str) -> None:
    """The context of the authorities is loaded; that takes its time and a file of its own."""
    with pytest.raises(TransferFailed) as failed:
        await upload(url, "a", b"hello", timeout_s=0.3)
    assert failed.value.kind is Kind.TIMED_OUT


async def test_an_ftp_greeting_that_never_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        await cancelled(lambda: upload(f"ftp://127.0.0.1:{port}/", "a", b"hello"))


async def test_connecting_to_where_nobody_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        crowd = [socket.socket() for _ in range(4)]
        try:
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            port = full.getsockname()[1]
            await cancelled(lambda: upload(f"http://127.0.0.1:{port}/", "a", b"hello"))
        finally:
            for one in crowd:
                one.close()


async def test_more_transfers_than_threads_wait_and_can_be_cancelled_too() -> None:
    with http_server() as server:
        server.answers["/x"] = hang(server)
        with trio.fail_after(PROMPTLY_S * 3), trio.move_on_after(0.5):
            async with trio.open_nursery() as nursery:
                for _ in range(work.THREADS_MAX + 8):
                    nursery.start_soon(upload, f"{server.url}/x", "", b"hello")
        assert work._threads.borrowed_tokens == 0


async def test_many_failures_leak_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = open_files()
    for _ in range(30):
        with pytest.raises(TransferFailed):
            await upload(f"http://127.0.0.1:{port}/", "a", b"hello")
    assert open_files() <= before
