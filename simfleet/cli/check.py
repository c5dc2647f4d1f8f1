"""`simfleet check`: whether a scenario file is right, and what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from simfleet.load.scenario import Scenario


def main(arguments: argparse.Namespace) -> int:
    """Check the scenario named on the command line."""
    return check(arguments.scenario, models=arguments.models)


def check(path: str | Path, *, models: Path | None = None) -> int:
    """Print in one line what a right scenario asks for.

    Raises ScenarioInvalid with every mistake, UsageWrong for a file that cannot be read.
    """
    from simfleet.cli.models import catalogue_of
    from simfleet.load.scenario import load_scenario  # 60 ms that `--help` should not cost

    scenario = load_scenario(path, models=catalogue_of(models))
    print(scenario.written.redactor.clean(f"{path}: {_summary(scenario)}"))
    return ExitCode.PASSED


def _summary(scenario: Scenario) -> str:
    from simfleet.documents.quantities import duration_text

    fleet = f"{_count(scenario.chargers, 'charger')} in {_count(len(scenario.fleet), 'slice')}"
    stages = f"{_count(len(scenario.stages), 'stage')} over {duration_text(scenario.lasts_s)}"
    faults = sum(len(stage.faults) for stage in scenario.stages)
    if faults:
        stages += f" with {_count(faults, 'fault')} on purpose"
    thresholds = _count(len(scenario.thresholds), "threshold")
    return (
        f"{scenario.name} is fine: {fleet}, {stages}, {thresholds}, against {scenario.target.url}"
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
