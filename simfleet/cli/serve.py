"""`simfleet serve`: the service, until it is told to stop."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.cli.exit_codes import ExitCode
from simfleet.service import ServeOptions, serve
from simfleet.settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the second one is KeyboardInterrupt. Exit code 0."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)
    options = ServeOptions(
        settings=settings_of(arguments),
        with_csms=not arguments.no_csms,
        pki=arguments.pki,
        say=partial(print, flush=True),
    )
    trio.run(serve, options)
    return ExitCode.PASSED


def settings_of(
    arguments: argparse.Namespace, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings: options over environment over defaults. Raises `UsageWrong`."""
    given: dict[str, Any] = {
        name: value
        for name in ("host", "port", "csms_port", "db", "models")
        if (value := getattr(arguments, name)) is not None
    }
    return replace(Settings.from_environment(environment), **given)
