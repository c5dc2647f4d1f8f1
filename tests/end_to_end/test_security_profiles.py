"""Security profiles over real sockets: a charger and a CSMS that speaks plain and TLS on one port.

Time runs `RATE` times as fast, for a charger waits between its attempts.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from builders_fleet import a_plan, a_recorder
from builders_pki import DAY, Ca, Issued, pem_key
from simfleet.csms.access import Access
from simfleet.csms.server import Csms
from simfleet.fleet.actor import Charger
from simfleet.fleet.keyring import ClientCertificate, Keyring
from simfleet.fleet.orders import Mode, Surroundings
from simfleet.link.client_tls import ClientContexts
from simfleet.link.link import LinkOptions, Transport
from simfleet.link.opening import open_link
from simfleet.link.tls import server_context
from simfleet.ocpp.v16 import messages as v16
from simfleet.pki.authority import Authority
from simfleet.station.credentials import FALLBACK_ATTEMPTS

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from simfleet.link.link import Link

RATE = 20.0
IDENTITY = "CP-0000"
KEY = "4F43415F4F4354545F61646D696E5F74657374"
OTHER_KEY = "00FF" * 10
PATIENCE_S = 600.0

TRANSPORTS: tuple[Transport, ...] = ("websockets", "trio-websocket")


@pytest.fixture
def quick_clock() -> MockClock:
    return MockClock(rate=RATE)


@dataclass
class Site:
    """A charger, its CSMS, and who vouches for whom."""

    csms: Csms
    charger: Charger
    ca: Ca
    surroundings: Surroundings
    dialled: list[str]
    """Every URL that was tried."""

    @property
    def profile(self) -> int:
        return self.charger.station.configuration.whole("SecurityProfile")

    async def command(self, request: Any) -> Any:
        """Send a CALL to the charger; its answer."""
        await self.until(lambda: any(one.identity == IDENTITY for one in self.csms.booted()))
        outcome = await self.csms.command(IDENTITY, request)
        assert outcome.failure is None, outcome
        return outcome.response

    async def configure(self, key: str, value: str) -> str:
        response = await self.command(v16.ChangeConfigurationRequest(key=key, value=value))
        return str(response.status)

    async def trust(self, ca: Ca) -> str:
        response = await self.command(
            v16.InstallCertificateRequest("CentralSystemRootCertificate", ca.pem.decode())
        )
        return str(response.status)

    async def certify(self) -> None:
        """The whole way of a certificate: trigger, request, signature by the CSMS's authority."""
        station = self.charger.station
        before = 0 if station.security is None else len(station.security.own)
        response = await self.command(
            v16.ExtendedTriggerMessageRequest("SignChargePointCertificate")
        )
        assert response.status == "Accepted"
        await self.until(
            lambda: station.security is not None and len(station.security.own) > before
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.2)

    async def connected(self, *, secure: bool, password: bytes | None, certificate: bool) -> None:
        """Until the charger is connected just so."""

        def so() -> bool:
            connection = self.csms._connections.get(IDENTITY)
            if connection is None or not self.charger.online:
                return False
            link: Any = connection.link
            return (link.secure, link.password, link.certificate is not None) == (
                secure,
                password,
                certificate,
            )

        await self.until(so)

    def told(self) -> list[str]:
        """The security events that have reached the CSMS."""
        return list(self.csms.book.upkeep.security_event_types)


def tls_of(server: Issued, folder: Path, clients: Ca | None = None) -> ssl.SSLContext:
    (folder / "server.pem").write_bytes(server.pem)
    (folder / "server.key").write_bytes(server.key_pem)
    authority = None
    if clients is not None:
        authority = folder / "clients.pem"
        authority.write_bytes(clients.pem)
    return server_context(folder / "server.pem", folder / "server.key", client_authority=authority)


@asynccontextmanager
async def a_site(
    folder: Path,
    *,
    transport: Transport = "websockets",
    server: Issued | None = None,
    tls: bool = True,
    access: Access | None = None,
    configuration: dict[str, str] | None = None,
    options: LinkOptions | None = None,
    keyring: Keyring | None = None,
    ca: Ca | None = None,
    signer: Ca | None = None,
) -> AsyncIterator[Site]:
    ca = ca or Ca(now=datetime.now(UTC))
    signer = signer or ca
    csms = Csms(access=access or Access(), authority=Authority(signer.pem, pem_key(signer.key)))
    station = a_plan(configuration=configuration).build(
        wall_offset_s=csms.wall_s() - trio.current_time()
    )
    async with trio.open_nursery() as nursery:
        context = tls_of(server or ca.server(), folder, ca) if tls else None

        async def listening(*, task_status: trio.TaskStatus[Csms]) -> None:
            await csms.listen(host="127.0.0.1", port=0, tls=context, task_status=task_status)

        await nursery.start(listening)
        dialled: list[str] = []

        def dial(url: str, **how: Any) -> AbstractAsyncContextManager[Link]:
            dialled.append(url)
            return open_link(url, **how)

        surroundings = Surroundings(
            dial,
            f"ws://127.0.0.1:{csms.port}/ocpp",
            options or LinkOptions(transport=transport, connect_timeout_s=60.0),
            trio.Semaphore(10),
            a_recorder(),
            keyring=keyring or Keyring(),
        )
        await nursery.start(surroundings.errands.run)
        charger = Charger(station, surroundings, mode=Mode.CONNECT)
        nursery.start_soon(charger.run)
        yield Site(csms, charger, ca, surroundings, dialled)
        nursery.cancel_scope.cancel()


# ── upwards ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_charger_climbs_from_profile_0_to_3(
    transport: Transport, tmp_path: Path, quick_clock: MockClock
) -> None:
    async with a_site(tmp_path, transport=transport) as site:
        await site.connected(secure=False, password=None, certificate=False)
        assert await site.configure("AuthorizationKey", KEY) == "Accepted"
        assert await site.configure("SecurityProfile", "1") == "Accepted"
        await site.connected(secure=False, password=bytes.fromhex(KEY), certificate=False)
        assert await site.configure("SecurityProfile", "2") == "Rejected"
        assert await site.trust(site.ca) == "Accepted"
        assert await site.configure("SecurityProfile", "2") == "Accepted"
        await site.connected(secure=True, password=bytes.fromhex(KEY), certificate=False)
        assert await site.configure("SecurityProfile", "3") == "Rejected"
        await site.certify()
        assert await site.configure("SecurityProfile", "3") == "Accepted"
        await site.connected(secure=True, password=None, certificate=True)
        assert site.profile == 3
        state = site.charger.station.security
        assert state is not None
        await site.until(lambda: state.trial is None)
        assert site.csms.ledger()["crashed"] == 0


async def test_a_new_key_is_used_at_once(tmp_path: Path, quick_clock: MockClock) -> None:
    configuration = {"SecurityProfile": "1", "AuthorizationKey": KEY}
    access = Access(profile=1, password=KEY)
    async with a_site(tmp_path, tls=False, access=access, configuration=configuration) as site:
        await site.connected(secure=False, password=bytes.fromhex(KEY), certificate=False)
        assert await site.configure("AuthorizationKey", OTHER_KEY) == "Accepted"
        await site.connected(secure=False, password=bytes.fromhex(OTHER_KEY), certificate=False)


async def test_a_new_certificate_is_used_at_once(tmp_path: Path, quick_clock: MockClock) -> None:
    ca = Ca(now=datetime.now(UTC))
    first = ca.station(IDENTITY)
    given = LinkOptions(ssl_context=ClientContexts().context((ca.pem,)), connect_timeout_s=60.0)
    keyring = Keyring(certificate_of=lambda _: ClientCertificate(first.pem, first.key_pem))
    async with a_site(
        tmp_path,
        ca=ca,
        options=given,
        keyring=keyring,
        access=Access(profile=3),
        configuration={"SecurityProfile": "3"},
    ) as site:
        await site.connected(secure=True, password=None, certificate=True)
        older = site.csms._connections[IDENTITY]
        await site.certify()
        await site.until(lambda: site.csms._connections.get(IDENTITY) not in (None, older))
        await site.connected(secure=True, password=None, certificate=True)


# ── back again ──────────────────────────────────────────────────────────────────────────────────


async def falls_back(site: Site, profile: str, *events: str) -> None:
    before = site.profile
    site.dialled.clear()
    assert await site.configure("SecurityProfile", profile) == "Accepted"
    assert site.profile == int(profile)
    await site.until(lambda: site.profile == before)
    await site.until(lambda: site.charger.online)
    await site.until(lambda: set(events) <= set(site.told()))
    secure = f"wss://127.0.0.1:{site.csms.port}/ocpp"
    assert site.dialled == [secure] * FALLBACK_ATTEMPTS + [site.surroundings.url]


async def ready_for_tls(site: Site, trusted: Ca) -> None:
    assert await site.configure("AuthorizationKey", KEY) == "Accepted"
    assert await site.trust(trusted) == "Accepted"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_csms_of_another_authority_is_refused_and_the_charger_falls_back(
    transport: Transport, tmp_path: Path, quick_clock: MockClock
) -> None:
    async with a_site(tmp_path, transport=transport) as site:
        await ready_for_tls(site, Ca("Another"))
        await falls_back(
            site,
            "2",
            "InvalidCentralSystemCertificate",
            "FailedToAuthenticateAtCentralSystem",
        )


async def test_a_csms_with_an_expired_certificate_is_refused(
    tmp_path: Path, quick_clock: MockClock
) -> None:
    now = datetime.now(UTC)
    ca = Ca(now=now - 10 * DAY)
    expired = ca.server(begins=now - 5 * DAY, lasts=DAY)
    async with a_site(tmp_path, ca=ca, server=expired) as site:
        await ready_for_tls(site, ca)
        await falls_back(site, "2", "InvalidCentralSystemCertificate")
        example = site.csms.book.upkeep.security_events
        assert any("expired" in str(event) for event in example)


async def test_a_csms_with_another_name_is_refused(tmp_path: Path, quick_clock: MockClock) -> None:
    ca = Ca(now=datetime.now(UTC))
    async with a_site(tmp_path, ca=ca, server=ca.server("192.0.2.1")) as site:
        await ready_for_tls(site, ca)
        await falls_back(site, "2", "InvalidCentralSystemCertificate")


async def test_a_csms_without_tls_makes_the_charger_fall_back(
    tmp_path: Path, quick_clock: MockClock
) -> None:
    async with a_site(tmp_path, tls=False) as site:
        await ready_for_tls(site, site.ca)
        await falls_back(site, "2", "FailedToAuthenticateAtCentralSystem")


async def test_a_certificate_that_the_csms_does_not_take_makes_the_charger_fall_back(
    tmp_path: Path, quick_clock: MockClock
) -> None:
    rival = Ca("Rival", now=datetime.now(UTC))
    async with a_site(tmp_path, signer=rival) as site:
        await ready_for_tls(site, site.ca)
        assert await site.trust(rival) == "Accepted"
        await site.certify()
        await falls_back(site, "3", "FailedToAuthenticateAtCentralSystem")


async def test_a_charger_may_try_again_after_a_fallback(
    tmp_path: Path, quick_clock: MockClock
) -> None:
    async with a_site(tmp_path) as site:
        await ready_for_tls(site, Ca("Another"))
        await falls_back(site, "2")
        assert await site.trust(site.ca) == "Accepted"
        assert await site.configure("SecurityProfile", "2") == "Accepted"
        await site.connected(secure=True, password=bytes.fromhex(KEY), certificate=False)
