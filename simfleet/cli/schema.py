"""`simfleet schema`: the JSON Schema of scenario files, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Print the schema; the command takes no arguments."""
    del arguments
    return schema()


def schema() -> int:
    """Print the JSON Schema (2020-12) on standard output."""
    import json

    from simfleet.load.scenario import scenario_schema

    print(json.dumps(scenario_schema(), indent=2))
    return ExitCode.PASSED
