"""What each slice of a fleet did: `slices` of `summary.json`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.load.schema1 import Scenario


def slices_of(
    scenario: Scenario,
    plans: Sequence[ChargerPlan],
    recorder: Recorder,
    *,
    wanted: int,
    online: int,
    load_s: float,
) -> list[dict[str, Any]]:
    """One block for each slice that has chargers, in the scenario's order, in the shape of the
    summary. `wanted` chargers of the fleet were to come, `online` of them to boot.
    """
    counts = Counter(plan.slice_name for plan in plans)
    targets = Counter(plan.slice_name for plan in plans[:wanted])
    onlines = Counter(plan.slice_name for plan in plans[:online])
    latencies, ledger = recorder.latencies, recorder.ledger
    found = []
    for part in scenario.fleet:
        if not counts[part.name]:
            continue
        books = recorder.slices.get(part.name)
        if books is None:  # the only one: it is the fleet
            own, booted = latencies, len(recorder.booted)
            opened, closed, energy_wh = ledger.opened, ledger.closed, ledger.energy_wh
        else:
            own, booted = books.latencies, books.booted
            opened, closed, energy_wh = books.opened, books.closed, books.energy_wh
        totals = own.totals
        found.append(
            {
                "name": part.name,
                "version": part.version,
                "labels": dict(getattr(part, "labels", None) or {}),
                "chargers": {
                    "count": counts[part.name],
                    "target": targets[part.name],
                    "booted": booted,
                    "failed": max(0, onlines[part.name] - booted),
                },
                "calls": own.snapshot(),
                "call_totals": totals,
                "transactions": {
                    "started": opened,
                    "stopped": closed,
                    "energy_kwh": round(energy_wh / 1000, 3),
                },
                "throughput": {
                    "calls_per_s": round(totals["count"] / load_s, 1) if load_s > 0 else 0.0
                },
            }
        )
    return found
