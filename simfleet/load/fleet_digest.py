"""What a fleet is and when it comes, in two digests: equal digests are the same fleet.

Everything a charger draws, its tag, think times, energies and pauses, follows from its stream of
random numbers and from what its slice says, so both are in the digest, and no charger is built.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.load.written import SECRET_KEYS
from simfleet.station.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.schema1 import Scenario

STREAM_DIGITS: Final = 16
_ENCODE: Final = msgspec.json.Encoder(enc_hook=repr, order="deterministic").encode


def _told(plan: ChargerPlan) -> list[tuple[str, str]]:
    """The configuration that a charger comes with, but for secrets: no digest of those is told."""
    values = plan.factory.values.items()
    return sorted((key, value) for key, value in values if key.lower() not in SECRET_KEYS)


def fleet_block(scenario: Scenario, plans: Sequence[ChargerPlan]) -> dict[str, Any]:
    """As in the manifest: `count`, `digest` of the chargers, `schedule_digest` of what they are to
    do when. 40 us for a charger.
    """
    chargers = hashlib.sha256()
    order = hashlib.sha256()
    slices: dict[tuple[int, int], bytes] = {}
    for plan in plans:
        shared = (id(plan.spec), id(plan.factory))  # of all chargers of a slice
        if shared not in slices:
            slices[shared] = hashlib.sha256(_ENCODE([plan.spec, _told(plan)])).digest()
        chance = Chance.of(plan.seed, plan.index)
        line = [
            plan.identity,
            plan.index,
            plan.slice_name,
            plan.spec.version,
            plan.id_tag,
            chance.hex(STREAM_DIGITS),
        ]
        chargers.update(_ENCODE(line) + slices[shared] + b"\n")
        order.update(plan.identity.encode() + b"\n")
    told = [scenario.stages, scenario.commands, scenario.start_at_s, scenario.curve, scenario.seed]
    order.update(_ENCODE(told))
    return {
        "count": len(plans),
        "digest": chargers.hexdigest(),
        "schedule_digest": order.hexdigest(),
    }
