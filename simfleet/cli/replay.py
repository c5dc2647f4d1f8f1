"""`simfleet replay`: a run once more, from what its folder says of it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from simfleet.cli.run import Wanted, drive
from simfleet.load.replay import read_manifest, replay_of

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Run it; the exit code says how it ended, as that of `simfleet run`."""
    replay = replay_of(read_manifest(arguments.folder), os.environ, target=arguments.target)
    for warning in replay.warnings:
        print(f"simfleet: WARNING: {warning}", file=sys.stderr)
    virtual = arguments.virtual or (replay.options.virtual and arguments.time_scale is None)
    time_scale = arguments.time_scale
    if time_scale is None and not arguments.virtual:
        time_scale = replay.options.time_scale
    wanted = Wanted(
        virtual=virtual,
        dry_run=arguments.dry_run,
        time_scale=time_scale,
        chargers=replay.options.chargers,
        seed=replay.options.seed,
        target=arguments.target or replay.options.target,
        models=replay.options.models,
    )
    return drive(replay.scenario, replay.scenario_sha256, arguments, wanted, plans=replay.plans)
