"""TLS of clients: contexts made of PEM, shared, and used over real sockets."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING

import pytest
import trio

from builders_link import a_server, open_descriptors
from builders_pki import Ca, Issued, a_ca, server_context
from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link.client_tls import CONTEXTS_MAX, ClientContexts, roots_of
from simfleet.link.link import LinkOptions, Transport
from simfleet.link.opening import open_link

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.link.accepting import AcceptedLink

BOTH: tuple[Transport, ...] = ("websockets", "trio-websocket")
HANDSHAKES_CUT = 300


def options_for(context: ssl.SSLContext, transport: Transport = "websockets") -> LinkOptions:
    return LinkOptions(transport=transport, ssl_context=context, connect_timeout_s=5.0)


async def said_by(port: int, options: LinkOptions) -> bytes:
    """What the echo server says to hello."""
    url = f"wss://127.0.0.1:{port}"
    async with open_link(url, identity="CP", subprotocol="ocpp1.6", options=options) as link:
        await link.send([b"hello"])
        with trio.fail_after(5):
            return await link.receive()


def own(context: ClientContexts, station: Issued, *roots: Ca) -> ssl.SSLContext:
    return context.context(
        [root.pem for root in roots], chain_pem=station.pem, key_pem=station.key_pem
    )


# ── contexts ────────────────────────────────────────────────────────────────────────────────────


def test_equal_credentials_share_a_context() -> None:
    contexts, station = ClientContexts(), a_ca().station("CP")
    assert own(contexts, station, a_ca()) is own(contexts, station, a_ca())
    assert contexts.context([a_ca().pem]) is not own(contexts, station, a_ca())
    assert contexts.made == 2


def test_few_contexts_are_kept() -> None:
    contexts = ClientContexts()
    roots = [Ca(f"Root {number}").pem for number in range(CONTEXTS_MAX + 1)]
    first = contexts.context([roots[0]])
    for root in roots[1:CONTEXTS_MAX]:
        contexts.context([root])
    assert contexts.context([roots[0]]) is first
    contexts.context([roots[CONTEXTS_MAX]])
    assert contexts.context([roots[0]]) is first  # used lately: another one has gone
    assert contexts.made == CONTEXTS_MAX + 1
    contexts.context([roots[1]])
    assert contexts.made == CONTEXTS_MAX + 2


def test_old_tls_is_not_spoken_and_servers_are_verified() -> None:
    context = ClientContexts().context([a_ca().pem])
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_key_that_does_not_fit_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other = a_ca().station("CP"), a_ca().station("CP")
    with pytest.raises(ssl.SSLError):
        ClientContexts().context([a_ca().pem], chain_pem=one.pem, key_pem=other.key_pem)
    assert list(tmp_path.iterdir()) == []  # no key is left on the disk


def test_the_roots_of_a_context_come_out_again() -> None:
    context = ClientContexts().context([a_ca().pem])
    assert roots_of(ClientContexts().context(roots_of(context))) == roots_of(context)
    assert len(roots_of(context)) == 1


# ── over sockets ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("tls", ["any", "1.2"])
async def test_a_client_shows_its_certificate(
    transport: Transport, tls: str, tmp_path: Path
) -> None:
    context = server_context(a_ca().server(), tmp_path, client_roots=a_ca().pem, tls=tls)
    mine = own(ClientContexts(), a_ca().station("CP-1"), a_ca())
    seen: list[str | None] = []

    async def handler(link: AcceptedLink) -> None:
        seen.append(link.certificate)
        while True:
            await link.send([await link.receive()])

    async with a_server(handler, ssl_context=context) as port:
        assert await said_by(port, options_for(mine, transport)) == b"hello"
    assert seen == ["CP-1"]


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("tls", ["any", "1.2"])
async def test_a_client_without_a_certificate_is_refused_where_one_is_needed(
    transport: Transport, tls: str, tmp_path: Path
) -> None:
    context = server_context(a_ca().server(), tmp_path, client_roots=a_ca().pem, tls=tls)
    mine = ClientContexts().context([a_ca().pem])
    async with a_server(ssl_context=context) as port:
        with pytest.raises(ConnectFailed) as failed:
            await said_by(port, options_for(mine, transport))
    assert failed.value.reason in (ConnectReason.TLS, ConnectReason.RESET)


@pytest.mark.parametrize("transport", BOTH)
async def test_a_server_of_another_authority_is_refused(
    transport: Transport, tmp_path: Path
) -> None:
    mine = ClientContexts().context([Ca("Another").pem])
    async with a_server(ssl_context=server_context(a_ca().server(), tmp_path)) as port:
        with pytest.raises(ConnectFailed) as failed:
            await said_by(port, options_for(mine, transport))
    assert failed.value.reason is ConnectReason.TLS
    assert failed.value.detail.startswith("certificate: ")


async def test_an_intermediate_certificate_is_trusted_as_a_root(tmp_path: Path) -> None:
    middle = Ca("Middle", parent=a_ca())
    mine = ClientContexts().context([middle.pem])
    async with a_server(ssl_context=server_context(middle.server(), tmp_path)) as port:
        assert await said_by(port, options_for(mine)) == b"hello"


@pytest.mark.parametrize("transport", BOTH)
async def test_handshakes_cut_at_any_moment_leave_nothing_behind(
    transport: Transport, tmp_path: Path
) -> None:
    context = server_context(a_ca().server(), tmp_path, client_roots=a_ca().pem)
    options = options_for(own(ClientContexts(), a_ca().station("CP"), a_ca()), transport)
    rng = random.Random(7)
    finished = 0
    async with a_server(ssl_context=context) as port:
        assert await said_by(port, options) == b"hello"
        await trio.sleep(0.05)
        before = open_descriptors()
        for _ in range(HANDSHAKES_CUT):
            with trio.move_on_after(rng.uniform(0, 0.01)):
                await said_by(port, options)
                finished += 1
        assert await said_by(port, options) == b"hello"
        with trio.fail_after(10):
            while open_descriptors() > before:  # noqa: ASYNC110
                await trio.sleep(0.02)  # the server's ends
    assert finished < HANDSHAKES_CUT
