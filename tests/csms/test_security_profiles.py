"""Security profiles over real sockets: TLS and plain on one port, certificates, passwords."""

from __future__ import annotations

import ssl
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from builders_csms import BOOT, call
from simfleet.csms import server
from simfleet.csms.access import OPEN, Access
from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.pki_folder import PkiFolder
from simfleet.csms.server import Csms, serve_csms
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed, UsageWrong
from simfleet.link.accepting import ServerLimits, ServerOptions
from simfleet.link.client_tls import ClientContexts
from simfleet.link.link import LinkOptions
from simfleet.link.opening import open_link
from simfleet.ocpp.v16.messages import ChangeConfigurationRequest
from simfleet.pki.authority import Authority
from simfleet.pki.checks import check_chain
from simfleet.pki.requests import make_certificate_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simfleet.link.link import Link
    from simfleet.ocpp.results import Outcome
    from simfleet.pki.authority import Issued

KEY = "00112233445566778899aabbccddeeff00112233"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> PkiFolder:
    folder = PkiFolder(tmp_path_factory.mktemp("pki"))
    folder.init(at_wall_s=time.time())
    return folder


@asynccontextmanager
async def serving(
    pki: PkiFolder | None, access: Access = OPEN, behaviour: Behaviour = GOOD
) -> AsyncIterator[Csms]:
    """A CSMS on a free port; stopped at the end."""
    serve = partial(
        serve_csms, host="127.0.0.1", port=0, behaviour=behaviour, access=access, pki=pki
    )
    async with trio.open_nursery() as nursery:
        csms: Csms = await nursery.start(serve)
        with trio.fail_after(20):
            yield csms
            await csms.stop()


def trusting(pki: PkiFolder, own: Issued | None = None) -> LinkOptions:
    """What a station has that trusts this CA, and shows this certificate."""
    roots = (pki.ca_pem.read_bytes(),)
    if own is None:
        context = ClientContexts().context(roots)
    else:
        context = ClientContexts().context(
            roots, chain_pem=own.certificate_pem, key_pem=own.key_pem
        )
    return LinkOptions(ssl_context=context)


def client_of(pki: PkiFolder, identity: str) -> LinkOptions:
    """What a station of profile 3 has."""
    return trusting(pki, pki.authority().issue_client(identity, at_wall_s=time.time()))


@asynccontextmanager
async def station(
    csms: Csms, options: LinkOptions, *, identity: str = "CP-1", secure: bool = True
) -> AsyncIterator[Link]:
    url = f"{'wss' if secure else 'ws'}://127.0.0.1:{csms.port}"
    async with open_link(url, identity=identity, subprotocol="ocpp1.6", options=options) as link:
        yield link


async def boot(link: Link) -> None:
    await link.send([call("1", "BootNotification", BOOT)])
    assert msgspec.json.decode(await link.receive())[2]["status"] == "Accepted"


async def refused(csms: Csms, options: LinkOptions, *, secure: bool = True) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as failure:
        async with station(csms, options, secure=secure):
            pass
    return failure.value


async def counted(csms: Csms, reason: str, *, count: int = 1) -> None:
    """Wait until the CSMS has counted a refusal, and see that it has counted no other."""
    with trio.fail_after(5):
        while csms.book.refused.get(reason, 0) < count:  # noqa: ASYNC110 - nobody's event
            await trio.sleep(0.005)
    assert csms.book.refused == {reason: count}


# ── TLS and plain on one port ────────────────────────────────────────────────────────────────────


async def test_tls_and_plain_stations_come_in_on_the_same_port(pki: PkiFolder) -> None:
    async with (
        serving(pki) as csms,
        station(csms, LinkOptions(), identity="P0", secure=False) as plain,
        station(csms, LinkOptions(password="x"), identity="P1", secure=False) as basic,
        station(csms, trusting(pki), identity="P2") as secure,
        station(csms, client_of(pki, "P3"), identity="P3") as mutual,
    ):
        for link in (plain, basic, secure, mutual):
            await boot(link)
        assert csms.connected == 4
        assert csms.ledger()["security_profiles"] == {"0": 1, "1": 1, "2": 1, "3": 1}
        assert csms.book.refused == {}


async def test_without_pki_tls_is_no_websocket(pki: PkiFolder) -> None:
    async with serving(None) as csms:
        failure = await refused(csms, trusting(pki))
        assert failure.reason in (ConnectReason.TLS, ConnectReason.RESET)
        await counted(csms, "no_websocket")
        async with station(csms, LinkOptions(), secure=False) as link:
            await boot(link)


async def test_a_station_that_does_not_trust_the_ca_says_so(pki: PkiFolder) -> None:
    foreign = Authority.create(at_wall_s=time.time())
    context = ClientContexts().context((foreign.certificate_pem,))
    async with serving(pki) as csms:
        failure = await refused(csms, LinkOptions(ssl_context=context))
        assert failure.reason is ConnectReason.TLS
        assert "certificate" in failure.detail
        await counted(csms, "tls_alert")


async def test_the_servers_certificate_is_for_the_address_dialled(pki: PkiFolder) -> None:
    async with serving(pki) as csms:
        url = f"wss://localhost:{csms.port}"
        async with open_link(
            url, identity="CP-1", subprotocol="ocpp1.6", options=trusting(pki)
        ) as link:
            await boot(link)


# ── profile 1 and 2 ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", [1, 2])
async def test_passwords_are_checked_for_each_station(pki: PkiFolder, profile: int) -> None:
    access = Access(profile=profile, passwords={"CP-1": "one"})
    secure = profile == 2
    context = trusting(pki).ssl_context
    async with serving(pki, access) as csms:
        for wrong, reason in ((None, "no_password"), ("two", "wrong_password")):
            csms.book.refused.clear()
            failure = await refused(
                csms, LinkOptions(password=wrong, ssl_context=context), secure=secure
            )
            assert (failure.reason, failure.status) == (ConnectReason.HTTP_STATUS, 401)
            assert "CP-1" in failure.detail
            await counted(csms, reason)
        right = LinkOptions(password="one", ssl_context=context)
        async with station(csms, right, secure=secure) as link:
            await boot(link)


@pytest.mark.parametrize("profile", [2, 3])
async def test_plain_is_refused_where_tls_is_asked_for(pki: PkiFolder, profile: int) -> None:
    async with serving(pki, Access(profile=profile, password="x")) as csms:
        failure = await refused(csms, LinkOptions(password="x"), secure=False)
        assert failure.status == 426
        assert f"security profile {profile} needs TLS: connect to wss://" in failure.detail
        await counted(csms, "plain")


async def test_a_key_told_by_this_csms_is_expected_from_then_on(pki: PkiFolder) -> None:
    context = trusting(pki).ssl_context
    old = LinkOptions(password="old", ssl_context=context)
    async with serving(pki, Access(profile=2, password="old")) as csms:
        for status, key_counts in (("Rejected", False), ("Accepted", True)):
            async with station(csms, old) as link:
                outcome = await told(csms, link, status)
                assert outcome.failure is None
            new = LinkOptions(password=bytes.fromhex(KEY), ssl_context=context)
            if key_counts:
                assert (await refused(csms, old)).status == 401
                async with station(csms, new) as link:
                    await boot(link)
            else:
                assert (await refused(csms, new)).status == 401


async def told(csms: Csms, link: Link, status: str) -> Outcome:
    """Have the CSMS change the AuthorizationKey, and the station answer with `status`."""
    outcomes: list[Outcome] = []

    async def answer() -> None:
        asked = msgspec.json.decode(await link.receive())
        assert asked[2:] == ["ChangeConfiguration", {"key": "AuthorizationKey", "value": KEY}]
        await link.send([msgspec.json.encode([3, asked[1], {"status": status}])])

    request = ChangeConfigurationRequest(key="AuthorizationKey", value=KEY)
    await boot(link)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        outcomes.append(await csms.command("CP-1", request))
    return outcomes[0]


# ── profile 3 ────────────────────────────────────────────────────────────────────────────────────


async def test_a_certificate_lets_its_station_in(pki: PkiFolder) -> None:
    async with (
        serving(pki, Access(profile=3)) as csms,
        station(csms, client_of(pki, "CP-1")) as link,
    ):
        await boot(link)


async def test_no_certificate_is_refused_with_a_reason(pki: PkiFolder) -> None:
    async with serving(pki, Access(profile=3)) as csms:
        failure = await refused(csms, trusting(pki))
        assert failure.status == 403
        assert "needs a client certificate" in failure.detail
        await counted(csms, "no_certificate")


@pytest.mark.parametrize("profile", [0, 3])
async def test_the_certificate_of_another_station_is_refused(pki: PkiFolder, profile: int) -> None:
    async with serving(pki, Access(profile=profile)) as csms:
        failure = await refused(csms, client_of(pki, "CP-2"))
        assert failure.status == 403
        assert "is for 'CP-2', not for 'CP-1'" in failure.detail
        await counted(csms, "wrong_certificate")


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_certificate_that_is_expired_or_of_another_ca_ends_tls(
    pki: PkiFolder, days: int
) -> None:
    authority = pki.authority() if days < 0 else Authority.create(at_wall_s=time.time())
    own = authority.issue_client("CP-1", at_wall_s=time.time(), days=days)
    async with serving(pki) as csms:
        failure = await refused(csms, trusting(pki, own))
        assert failure.reason is ConnectReason.TLS
        await counted(csms, "tls_certificate")


async def test_a_servers_certificate_does_not_do_for_a_client(pki: PkiFolder) -> None:
    own = pki.authority().issue_server(["CP-1"], at_wall_s=time.time())
    async with serving(pki) as csms:
        assert (await refused(csms, trusting(pki, own))).reason is ConnectReason.TLS
        await counted(csms, "tls_certificate")


# ── what is no handshake ─────────────────────────────────────────────────────────────────────────


async def said(csms: Csms, *parts: bytes) -> bytes:
    """Everything that the CSMS answers to raw bytes until it ends TCP."""
    stream = await trio.open_tcp_stream("127.0.0.1", csms.port)
    async with stream:
        for part in parts:
            await stream.send_all(part)
        answer = b""
        try:
            while received := await stream.receive_some():
                answer += received
        except trio.BrokenResourceError:
            pass
        return answer


@pytest.mark.parametrize("first", [b"\x16", b"G", b""])
async def test_a_client_that_stalls_is_dropped_in_time(
    pki: PkiFolder, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ServerLimits(handshake_timeout_s=0.2)
    monkeypatch.setattr(server, "ServerOptions", partial(ServerOptions, limits=short))
    async with serving(pki) as csms:
        assert await said(csms, first) == b""
        await counted(csms, "timed_out")
        async with station(csms, trusting(pki)) as link:  # others are let in meanwhile
            await boot(link)


async def test_one_stalled_client_holds_nobody_else_up(pki: PkiFolder) -> None:
    async with serving(pki) as csms:
        stalled = await trio.open_tcp_stream("127.0.0.1", csms.port)
        async with stalled:
            await stalled.send_all(b"\x16")
            async with station(csms, trusting(pki)) as link:
                await boot(link)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"\x16\x03\x01\x00\x05hello" + b"\0" * 600, "tls"),
        (b"\x16" + b"\xff" * 64, "tls"),
        (b"\x80\x2e\x01\x00\x02\r\n\r\n", "no_websocket"),  # as SSL 2 began
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no_websocket"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "identity"),
    ],
)
async def test_garbage_is_refused_and_counted(pki: PkiFolder, garbage: bytes, reason: str) -> None:
    async with serving(pki) as csms:
        await said(csms, garbage)
        await counted(csms, reason)
        assert csms.crashed == 0


async def test_a_port_scan_is_counted_as_cut(pki: PkiFolder) -> None:
    async with serving(pki) as csms:
        stream = await trio.open_tcp_stream("127.0.0.1", csms.port)
        await stream.aclose()
        await counted(csms, "cut")


async def test_tls_before_1_2_is_refused(pki: PkiFolder) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca_pem)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(pki) as csms:
        failure = await refused(csms, LinkOptions(ssl_context=context))
        assert failure.reason is ConnectReason.TLS
        await counted(csms, "tls_version")


async def test_tls_1_2_and_1_3_are_spoken(pki: PkiFolder) -> None:
    async with serving(pki) as csms:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(pki.ca_pem)
            context.minimum_version = context.maximum_version = version
            async with station(csms, LinkOptions(ssl_context=context)) as link:
                await boot(link)


# ── certificates by CSR ──────────────────────────────────────────────────────────────────────────


async def sign(
    csms: Csms,
    link: Link,
    *,
    common_name: str = "CP-1",
    status: str = "Accepted",
    comes: bool = True,
) -> tuple[str, str, bytes]:
    """Ask for a certificate and take it; returns the answer, the chain, and the key."""
    request = make_certificate_request(common_name)
    await link.send([call("csr", "SignCertificate", {"csr": request.csr_pem.decode()})])
    answer = msgspec.json.decode(await link.receive())
    assert answer[:2] == [3, "csr"]
    chain = ""
    with trio.move_on_after(10 if comes else 0.3):
        sent = msgspec.json.decode(await link.receive())
        assert sent[2] == "CertificateSigned"
        chain = sent[3]["certificateChain"]
        await link.send([msgspec.json.encode([3, sent[1], {"status": status}])])
        while not csms.book.commands:  # noqa: ASYNC110 - the answer is nobody's event
            await trio.sleep(0.005)
    return answer[2]["status"], chain, request.key_pem


async def test_a_certificate_asked_for_comes_and_opens_the_door(pki: PkiFolder) -> None:
    async with serving(pki, Access(profile=2, password="x")) as csms:
        basic = LinkOptions(password="x", ssl_context=trusting(pki).ssl_context)
        async with station(csms, basic) as link:
            await boot(link)
            status, chain, key = await sign(csms, link)
        assert status == "Accepted"
        root = pki.ca_pem.read_bytes()
        assert (
            check_chain(chain, root, at_wall_s=time.time(), key_pem=key, common_name="CP-1") is None
        )
        context = ClientContexts().context((root,), chain_pem=chain.encode(), key_pem=key)
        async with station(csms, LinkOptions(ssl_context=context)) as link:
            await boot(link)
        certificates = csms.book.upkeep.certificates
        assert {name: count for name, count in certificates.items() if count} == {
            "asked": 1,
            "signed": 1,
            "accepted": 1,
        }


async def test_a_certificate_for_the_serial_number_counts_for_its_station(pki: PkiFolder) -> None:
    async with serving(pki) as csms:
        async with station(csms, LinkOptions(), secure=False) as link:
            told_at_boot = {**BOOT, "chargePointSerialNumber": "SERIAL-7"}
            await link.send([call("1", "BootNotification", told_at_boot)])
            await link.receive()
            _, chain, key = await sign(csms, link, common_name="SERIAL-7")
        root = pki.ca_pem.read_bytes()
        context = ClientContexts().context((root,), chain_pem=chain.encode(), key_pem=key)
        async with station(csms, LinkOptions(ssl_context=context)) as link:
            await boot(link)


async def test_a_request_for_another_station_is_not_signed(pki: PkiFolder) -> None:
    async with serving(pki) as csms, station(csms, LinkOptions(), secure=False) as link:
        await boot(link)
        status, chain, _ = await sign(csms, link, common_name="CP-2", comes=False)
        assert (status, chain) == ("Accepted", "")
        (problem,) = csms.book.upkeep.certificate_problems
        assert problem["identity"] == "CP-1"
        assert "for 'CP-2', not for 'CP-1'" in problem["problem"]


async def test_without_an_authority_nothing_is_signed() -> None:
    async with serving(None) as csms, station(csms, LinkOptions(), secure=False) as link:
        await boot(link)
        status, chain, _ = await sign(csms, link, comes=False)
        assert (status, chain) == ("Rejected", "")
        assert csms.book.upkeep.certificates["refused"] == 1


@pytest.mark.parametrize(
    ("how", "status", "wrong"),
    [
        ("rejected", "Rejected", None),
        ("never", "Accepted", None),
        ("foreign-ca", "Accepted", "which no installed root vouches for"),
        ("wrong-key", "Accepted", "for another key"),
        ("expired", "Accepted", "expired at"),
        ("garbage", "Accepted", "no certificate in PEM"),
    ],
)
async def test_certificates_can_be_spoilt_on_purpose(
    pki: PkiFolder, how: str, status: str, wrong: str | None
) -> None:
    behaviour = msgspec.convert({"sign": how}, Behaviour)
    async with (
        serving(pki, behaviour=behaviour) as csms,
        station(csms, LinkOptions(), secure=False) as link,
    ):
        await boot(link)
        answer, chain, key = await sign(csms, link, status="Rejected", comes=wrong is not None)
        assert answer == status
        if wrong is None:
            assert chain == ""
            return
        problem = check_chain(chain, pki.ca_pem.read_bytes(), at_wall_s=time.time(), key_pem=key)
        assert problem is not None
        assert wrong in problem
        assert csms.book.upkeep.certificates["rejected"] == 1


async def test_a_station_that_is_gone_gets_no_certificate_and_that_is_counted(
    pki: PkiFolder,
) -> None:
    async with serving(pki) as csms:
        async with station(csms, LinkOptions(), secure=False) as link:
            await boot(link)
            csr = make_certificate_request("CP-1").csr_pem.decode()
            await link.send([call("csr", "SignCertificate", {"csr": csr})])
            link.abort()
        with trio.fail_after(5):
            while not csms.book.upkeep.certificates["not_sent"]:  # noqa: ASYNC110
                await trio.sleep(0.005)


# ── what cannot be served ────────────────────────────────────────────────────────────────────────


async def test_a_folder_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match="simfleet pki init"):
        await serve_csms(host="127.0.0.1", port=0, pki=PkiFolder(tmp_path))
    folder = PkiFolder(tmp_path)
    folder.init(at_wall_s=time.time())
    folder.server_key.write_bytes(b"no key")
    with pytest.raises(UsageWrong, match=r"server\.pem"):
        await serve_csms(host="127.0.0.1", port=0, pki=folder)
    with pytest.raises(UsageWrong, match="needs --password"):
        await serve_csms(host="127.0.0.1", port=0, access=Access(profile=1))


async def test_a_lost_tls_link_ends_like_any_other(pki: PkiFolder) -> None:
    async with serving(pki) as csms, station(csms, trusting(pki)) as link:
        await boot(link)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(csms.stop)
            with pytest.raises(LinkClosed) as closed:
                await link.receive()
        assert closed.value.code_ws == 1001
