"""`simfleet run`: one scenario, one verdict, one run folder."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.cli.exit_codes import ExitCode
from simfleet.clock import real_wall_s
from simfleet.load.adjust import with_chargers, with_seed, with_target
from simfleet.load.progress import progress_view
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import load_scenario
from simfleet.load.summary_text import summary_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from simfleet.load.conclusion import Finished
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.verdict import Result

EXIT_CODES: Final[dict[Result, ExitCode]] = {
    "passed": ExitCode.PASSED,
    "threshold_failed": ExitCode.THRESHOLD_FAILED,
    "invalid": ExitCode.INVALID_RUN,
    "ledger_broken": ExitCode.LEDGER_BROKEN,
    "interrupted": ExitCode.INTERRUPTED,
    "target_lost": ExitCode.TARGET_UNREACHABLE,
}


def main(arguments: argparse.Namespace) -> int:
    """Run the scenario; the exit code says how it ended."""
    scenario = scenario_of(arguments)
    began_wall_s = real_wall_s()
    made = RunFolder.create(arguments.out, name=scenario.name, start_wall_s=began_wall_s)
    with made as folder:
        folder.write(
            "manifest.json",
            manifest(
                scenario,
                source=arguments.scenario.read_bytes(),
                arguments=sys.argv[1:],
                began_wall_s=began_wall_s,
            ),
        )
        with progress_view(quiet=arguments.quiet) as watch:
            finished = trio.run(functools.partial(_run, scenario, folder, watch))
        summary = msgspec.to_builtins(finished.summary)
        folder.write("summary.json", summary)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
    elif not arguments.quiet:
        print(summary_text(summary, folder=str(folder.path)))
    return EXIT_CODES[finished.verdict.result]


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """The scenario with what the command line changes. Raises `ScenarioInvalid`, `UsageWrong`."""
    scenario = load_scenario(arguments.scenario, arguments.set)
    if arguments.chargers is not None:
        scenario = with_chargers(scenario, arguments.chargers)
    if arguments.seed is not None:
        scenario = with_seed(scenario, arguments.seed)
    if arguments.target is not None:
        scenario = with_target(scenario, arguments.target)
    return scenario


async def _run(
    scenario: Scenario, folder: RunFolder, watch: Callable[[Progress], None]
) -> Finished:
    return await Runner(scenario, folder, watch=watch).run()
