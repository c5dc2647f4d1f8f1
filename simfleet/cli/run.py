"""`simfleet run`: one scenario, one verdict, one run folder."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from simfleet.cli.exit_codes import ExitCode
from simfleet.cli.models import catalogue_of
from simfleet.clock import real_wall_s, stopwatch_s
from simfleet.errors import SimFleetError, UsageWrong
from simfleet.load.adjust import with_chargers, with_seed, with_target
from simfleet.load.exports.chosen import exports_of
from simfleet.load.fleet_plans import plans_of
from simfleet.load.live.keyboard import keyboard
from simfleet.load.prediction import Prediction, prediction_text
from simfleet.load.progress_view import progress_view
from simfleet.load.results.artefacts import finish
from simfleet.load.results.report.page import REPORT
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario, read_content
from simfleet.load.summary_text import summary_text
from simfleet.load.worlds import with_stand_in, world_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.conclusion import Finished
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Companion
    from simfleet.load.verdict import Result
    from simfleet.load.world import World

EXIT_CODES: Final[dict[Result, ExitCode]] = {
    "passed": ExitCode.PASSED,
    "threshold_failed": ExitCode.THRESHOLD_FAILED,
    "aborted": ExitCode.THRESHOLD_FAILED,
    "invalid": ExitCode.INVALID_RUN,
    "ledger_broken": ExitCode.LEDGER_BROKEN,
    "interrupted": ExitCode.INTERRUPTED,
    "target_lost": ExitCode.TARGET_UNREACHABLE,
}


TELL_EVERY_S: Final = 0.5
"""Real time between two looks at a run whose clock is not a real one."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of a run besides `--set`; the manifest keeps it."""

    virtual: bool = False
    dry_run: bool = False
    time_scale: float | None = None
    chargers: int | None = None
    seed: int | None = None
    target: str | None = None
    models: str | None = None


def main(arguments: argparse.Namespace) -> int:
    """Run the scenario; the exit code says how it ended."""
    content = read_content(arguments.scenario)  # once: it may be a pipe
    scenario = scenario_of(content, arguments)
    wanted = Wanted(
        virtual=arguments.virtual,
        dry_run=arguments.dry_run,
        time_scale=arguments.time_scale,
        chargers=arguments.chargers,
        seed=arguments.seed,
        target=arguments.target,
        models=None if arguments.models is None else str(arguments.models.absolute()),
    )
    return drive(scenario, content, arguments, wanted)


def drive(
    scenario: Scenario,
    source: bytes | str,
    arguments: argparse.Namespace,
    wanted: Wanted,
    *,
    plans: Sequence[ChargerPlan] | None = None,
) -> int:
    """Run a scenario, or predict what it would do; returns the exit code."""
    if wanted.dry_run:
        scenario = with_stand_in(scenario)
    virtual = wanted.virtual or wanted.dry_run
    world = world_of(scenario, virtual=virtual, time_scale=wanted.time_scale)
    exports = exports_of(
        prometheus=arguments.prometheus,
        influx_url=arguments.influx,
        otlp_url=arguments.otlp,
        jsonl=arguments.jsonl,
        environ=os.environ,
    )
    if virtual and exports is not None:
        raise UsageWrong(
            "--prometheus, --influx, --otlp and --jsonl tell figures second by second, and a"
            " virtual clock jumps; leave them out, the run folder has the figures"
        )
    plans = plans_of(scenario) if plans is None else plans
    prediction = Prediction() if wanted.dry_run else None
    began_wall_s = real_wall_s()
    with _folder_for(scenario, arguments, wanted, world, began_wall_s) as folder:
        try:
            _write_manifest(
                folder, scenario, source, wanted, plans=plans, began_wall_s=began_wall_s
            )
            with progress_view(quiet=arguments.quiet) as watch, exports or nullcontext():
                quietly = arguments.no_keys or arguments.quiet or virtual
                keys = keyboard(watch, wanted=not quietly)
                companions = [one for one in (exports, keys, prediction) if one is not None]
                runner = partial(
                    _run, scenario, folder, _paced(watch, world), companions, world, plans
                )
                finished = trio.run(runner, clock=world.clock())
        except SimFleetError:  # refused before any load: the same command may be given again
            folder.discard()
            raise
        summary = msgspec.to_builtins(finished.summary)
        if prediction is not None:
            return _tell_prediction(folder, summary, finished, arguments)
    damage = finish(folder, summary)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
    elif not arguments.quiet or finished.verdict.result != "passed" or damage is not None:
        reported = (folder.path / REPORT).exists()
        print(summary_text(summary, folder=str(folder.path), reported=reported))
    if damage is not None:
        print(f"simfleet: the run folder is not complete: {damage}", file=sys.stderr)
    return EXIT_CODES[finished.verdict.result]


@contextmanager
def _folder_for(
    scenario: Scenario,
    arguments: argparse.Namespace,
    wanted: Wanted,
    world: World,
    began_wall_s: float,
) -> Iterator[RunFolder]:
    """The run folder; one that nobody will see for a prediction, unless `--out` names one."""
    with ExitStack() as stack:
        path = arguments.out
        if wanted.dry_run and path is None:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="simfleet-"))) / "run"
        made = RunFolder.create(
            path,
            name=scenario.name,
            start_wall_s=began_wall_s,
            simulated_wall_s=world.wall_s,
        )
        yield stack.enter_context(made)


def _tell_prediction(
    folder: RunFolder, summary: dict[str, Any], finished: Finished, arguments: argparse.Namespace
) -> int:
    """Print what was predicted. What was late, or missed a threshold, is no prediction's fault."""
    damage = finish(folder, summary) if arguments.out is not None else None
    told = {key: summary[key] for key in ("scenario", "seed", "clock", "prediction")}
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        print(prediction_text(summary))
    if damage is not None:
        print(f"simfleet: the run folder is not complete: {damage}", file=sys.stderr)
    result = finished.verdict.result
    failed = result in ("ledger_broken", "interrupted", "target_lost")
    if failed:
        print("\n".join(f"simfleet: {one}" for one in finished.verdict.reasons), file=sys.stderr)
    return EXIT_CODES[result] if failed else ExitCode.PASSED


def _paced(watch: Callable[[Progress], None], world: World) -> Callable[[Progress], None]:
    """`watch`, told no more often than people can read where the clock is not a real one."""
    if world.kind == "real":
        return watch
    told_s = float("-inf")

    def tell(progress: Progress) -> None:
        nonlocal told_s
        now_s = stopwatch_s()
        if now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            watch(progress)

    return tell


def _write_manifest(
    folder: RunFolder,
    scenario: Scenario,
    source: bytes | str,
    wanted: Wanted,
    *,
    plans: Sequence[ChargerPlan],
    began_wall_s: float,
) -> None:
    made_of = manifest(
        scenario,
        source=source,
        arguments=sys.argv[1:],
        began_wall_s=began_wall_s,
        plans=plans,
        options=msgspec.to_builtins(wanted),
    )
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
    world: World,
    plans: Sequence[ChargerPlan],
) -> Finished:
    runner = Runner(scenario, folder, watch=watch, companions=companions, world=world, plans=plans)
    return await runner.run()
