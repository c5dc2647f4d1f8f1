"""`simfleet models`: the charger models that there are, or the file of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import Missing, UsageWrong

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from simfleet.models.catalogue import Catalogue


def main(arguments: argparse.Namespace) -> int:
    """List the catalogue, print one model's file, or print the JSON Schema of such files."""
    import json

    from simfleet.models.catalogue import model_schema
    from simfleet.models.overview import text_table

    if arguments.schema:
        print(json.dumps(model_schema(), indent=2))
        return ExitCode.PASSED
    catalogue = catalogue_of(arguments.models)
    if arguments.name is None:
        print(text_table(catalogue.all()))
        return ExitCode.PASSED
    try:
        catalogue.find(arguments.name)  # a file with mistakes is told of them, not printed
    except Missing as missing:
        raise UsageWrong(str(missing)) from None
    sys.stdout.write(catalogue.source(arguments.name))
    return ExitCode.PASSED


def catalogue_of(directory: Path | None) -> Catalogue:
    """The catalogue with a directory of the user's: the option's, else that of SIMFLEET_MODELS.

    Raises `UsageWrong` for one that cannot be used.
    """
    from simfleet.models.catalogue import Catalogue
    from simfleet.settings import Settings

    return Catalogue(directory or Settings.from_environment().models)
