"""A virtual world: a clock that jumps, a network in memory, the embedded CSMS in the same loop.

Nothing of it touches the network or waits for anything. Chargers, CSMS, books and results are those
of a real run; no time passes while they work, so times of the CSMS are not measured.
"""

from __future__ import annotations

import math
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.clock import real_wall_s
from simfleet.csms.access import Access, parse_passwords
from simfleet.csms.inner import inner_csms
from simfleet.fleet.keyring import Keyring
from simfleet.link.memory import CERTIFICATE_HEADER, MemoryNetwork
from simfleet.load.clocks import VirtualClock, VirtualClockwork
from simfleet.load.security import Reached, make_pki, needs_pki, profile_of
from simfleet.load.world import World
from simfleet.ocpp.versions import VERSIONS
from simfleet.station.security import MUTUAL_TLS

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.link.link import LinkOptions
    from simfleet.load.schema1 import Scenario
    from simfleet.station.credentials import Credentials

HOUR_S: Final = 3600.0
INTERVALS_AIM: Final = 1440
"""About how many intervals `run.hlog` and the timeline of a virtual run have: each minute of a day.
"""
INTERVAL_MIN_S: Final = 5.0
SWEEP_S: Final = 30.0
"""Between two collections of young garbage: some thousand CALLs of a large fleet."""
START_S: Final = 1000.0
"""What the event loop's clock shows at the beginning."""


def virtual_world(scenario: Scenario, *, wall_s: float | None = None) -> World:
    """A world for one run. `wall_s` is the Unix time at which it begins; None: the last full hour,
    so that two runs of one hour see the same times.
    """
    clock = VirtualClock(START_S, seed=scenario.seed)
    network = MemoryNetwork(subprotocols=tuple(VERSIONS), post=clock.post)
    begins_s = real_wall_s() // HOUR_S * HOUR_S if wall_s is None else wall_s
    interval_s = max(INTERVAL_MIN_S, 1.0 * math.ceil(scenario.lasts_s / INTERVALS_AIM))

    @asynccontextmanager
    async def reached(
        scenario: Scenario, plans: Sequence[ChargerPlan], options: LinkOptions
    ) -> AsyncIterator[Reached]:
        with tempfile.TemporaryDirectory(prefix="simfleet-") as name:
            access, authority = Access(password=scenario.target.password), None
            if scenario.target.url == "embedded" and needs_pki(scenario, plans):
                made = await trio.to_thread.run_sync(make_pki, Path(name), scenario, plans)
                passwords = made.passwords.read_text(encoding="utf-8")
                access = msgspec.structs.replace(
                    access,
                    passwords=parse_passwords(passwords, source="passwords of the run"),
                    profile=min((profile_of(plan) for plan in plans), default=0),
                )
                authority = made.authority
            async with inner_csms(
                network, wall_s=begins_s, access=access, authority=authority
            ) as csms:
                yield Reached(csms.url, csms, options, MemoryKeyring(), authority)

    return World(
        kind="virtual",
        dial=network.dial,
        reached=reached,
        clock=lambda: clock,
        clockwork=lambda: VirtualClockwork(clock),
        wall_s=begins_s,
        tick_s=interval_s,
        interval_ticks=1,
        sweep_s=SWEEP_S,
    )


class MemoryKeyring(Keyring):
    """Credentials for a memory network: certificates are named and not shown, roots not looked at.
    Making a TLS context for each charger would take longer than its day.
    """

    def options(
        self, credentials: Credentials, options: LinkOptions, *, identity: str
    ) -> LinkOptions:
        """See `Keyring.options`."""
        options = super().options(credentials, options, identity=identity)
        if credentials.profile == MUTUAL_TLS:
            return replace(options, headers={**options.headers, CERTIFICATE_HEADER: identity})
        return options

    def _context(
        self, credentials: Credentials, options: LinkOptions, identity: str
    ) -> ssl.SSLContext | None:
        return options.ssl_context
