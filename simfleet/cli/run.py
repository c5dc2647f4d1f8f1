"""`simfleet run`: one scenario, one verdict, one run folder."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.cli.exit_codes import ExitCode
from simfleet.cli.models import catalogue_of
from simfleet.clock import real_wall_s
from simfleet.errors import SimFleetError, UsageWrong
from simfleet.load.adjust import with_chargers, with_seed, with_target
from simfleet.load.exports.chosen import exports_of
from simfleet.load.live.keyboard import keyboard
from simfleet.load.progress_view import progress_view
from simfleet.load.results.artefacts import finish
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario, read_content
from simfleet.load.summary_text import summary_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from simfleet.load.conclusion import Finished
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Companion
    from simfleet.load.verdict import Result

EXIT_CODES: Final[dict[Result, ExitCode]] = {
    "passed": ExitCode.PASSED,
    "threshold_failed": ExitCode.THRESHOLD_FAILED,
    "aborted": ExitCode.THRESHOLD_FAILED,
    "invalid": ExitCode.INVALID_RUN,
    "ledger_broken": ExitCode.LEDGER_BROKEN,
    "interrupted": ExitCode.INTERRUPTED,
    "target_lost": ExitCode.TARGET_UNREACHABLE,
}


def main(arguments: argparse.Namespace) -> int:
    """Run the scenario; the exit code says how it ended."""
    content = read_content(arguments.scenario)  # once: it may be a pipe
    scenario = scenario_of(content, arguments)
    exports = exports_of(
        prometheus=arguments.prometheus,
        influx_url=arguments.influx,
        otlp_url=arguments.otlp,
        jsonl=arguments.jsonl,
        environ=os.environ,
    )
    began_wall_s = real_wall_s()
    made = RunFolder.create(arguments.out, name=scenario.name, start_wall_s=began_wall_s)
    with made as folder:
        try:
            _write_manifest(folder, scenario, content, began_wall_s=began_wall_s)
            with progress_view(quiet=arguments.quiet) as watch, exports or nullcontext():
                keys = keyboard(watch, wanted=not (arguments.no_keys or arguments.quiet))
                companions = [one for one in (exports, keys) if one is not None]
                finished = trio.run(functools.partial(_run, scenario, folder, watch, companions))
        except SimFleetError:  # refused before any load: the same command may be given again
            folder.discard()
            raise
        summary = msgspec.to_builtins(finished.summary)
    damage = finish(folder, summary)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
    elif not arguments.quiet or finished.verdict.result != "passed" or damage is not None:
        print(summary_text(summary, folder=str(folder.path)))
    if damage is not None:
        print(f"simfleet: the run folder is not complete: {damage}", file=sys.stderr)
    return EXIT_CODES[finished.verdict.result]


def _write_manifest(
    folder: RunFolder, scenario: Scenario, source: bytes, *, began_wall_s: float
) -> None:
    made_of = manifest(scenario, source=source, arguments=sys.argv[1:], began_wall_s=began_wall_s)
    try:
        folder.write("manifest.json", made_of)
    except OSError as error:
        reason = error.strerror or error
        raise UsageWrong(f"--out: cannot write to {folder.path}: {reason}") from None


def scenario_of(content: bytes, arguments: argparse.Namespace) -> Scenario:
    """The scenario with what the command line changes. Raises `ScenarioInvalid`, `UsageWrong`."""
    scenario = parse_scenario(
        content,
        source=str(arguments.scenario),
        overrides=arguments.set,
        models=catalogue_of(arguments.models),
        folder=arguments.scenario.parent,
        environment=os.environ,
    )
    if arguments.chargers is not None:
        scenario = with_chargers(scenario, arguments.chargers)
    if arguments.seed is not None:
        scenario = with_seed(scenario, arguments.seed)
    if arguments.target is not None:
        scenario = with_target(scenario, arguments.target)
    return scenario


async def _run(
    scenario: Scenario,
    folder: RunFolder,
    watch: Callable[[Progress], None],
    companions: Sequence[Companion],
) -> Finished:
    return await Runner(scenario, folder, watch=watch, companions=companions).run()
