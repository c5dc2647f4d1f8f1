"""A scenario at another size, seed or target: what `--chargers`, `--seed` and `--target` do."""

from __future__ import annotations

import msgspec

from simfleet.errors import UsageWrong
from simfleet.load.rules import identity_problems
from simfleet.load.schema1 import CHARGERS_MAX, SEED_MAX, Scenario, Slice
from simfleet.load.storm_fields import FirmwareWave
from simfleet.load.target_url import parse_target_url


def with_chargers(scenario: Scenario, chargers: int) -> Scenario:
    """The scenario with so many chargers in all: slices and ramps keep their proportions.

    Slices sum up exactly (largest remainder first); a ramp to the whole fleet stays one. Raises
    UsageWrong.
    """
    if not 0 <= chargers <= CHARGERS_MAX:
        raise UsageWrong(f"{chargers} chargers are out of range; write 0 to {CHARGERS_MAX}")
    total = scenario.chargers
    if total == 0 and chargers:
        raise UsageWrong(
            "a fleet without chargers has no proportions to keep; give its slices counts"
        )
    fleet = tuple(
        msgspec.structs.replace(part, count=count)
        for part, count in zip(scenario.fleet, _apportioned(scenario.fleet, chargers), strict=True)
    )
    if problems := identity_problems(fleet):
        raise UsageWrong(f"with {chargers} chargers, " + "; ".join(problems))
    stages = tuple(stage.scaled(chargers, total) if total else stage for stage in scenario.stages)
    return msgspec.structs.replace(scenario, fleet=fleet, stages=stages)


def _apportioned(fleet: tuple[Slice, ...], chargers: int) -> list[int]:
    total = sum(part.count for part in fleet)
    if total == 0:
        return [0 for _ in fleet]
    counts = [part.count * chargers // total for part in fleet]
    by_remainder = sorted(
        range(len(fleet)), key=lambda n: (-(fleet[n].count * chargers % total), n)
    )
    for n in by_remainder[: chargers - sum(counts)]:
        counts[n] += 1
    return counts


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with another seed. Raises UsageWrong."""
    if not 0 <= seed <= SEED_MAX:
        raise UsageWrong(f"seed {seed} is out of range; write 0 to {SEED_MAX}")
    return msgspec.structs.replace(scenario, seed=seed)


def with_target(scenario: Scenario, url: str) -> Scenario:
    """The scenario against another CSMS; the rest of `target` stays. Raises UsageWrong."""
    embedded = url == "embedded"
    if scenario.commands and not embedded:
        raise UsageWrong(
            f"--target {url}: the commands of this scenario are sent by the embedded CSMS; "
            "leave them out to load another one"
        )
    for stage in () if embedded else scenario.stages:
        if stage.csms is not None or isinstance(stage, FirmwareWave):
            what = "csms" if stage.csms is not None else "firmware_wave"
            raise UsageWrong(
                f"--target {url}: {what} of a stage is done by the embedded CSMS; "
                "leave it out to load another one"
            )
    try:
        target = msgspec.structs.replace(scenario.target, url=parse_target_url(url))
    except ValueError as problem:
        raise UsageWrong(f"--target {problem}") from None
    return msgspec.structs.replace(scenario, target=target)
