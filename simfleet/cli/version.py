"""`simfleet version`: what is installed, in the form a bug report needs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from simfleet import __version__
from simfleet.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse

# The packages whose version changes what a run measures or what a station says.
PACKAGES = (
    "trio",
    "websockets",
    "trio-websocket",
    "msgspec",
    "jsonschema-rs",
    "ocpp",
    "hdrhistogram",
)


def main(arguments: argparse.Namespace) -> int:
    """Print our version, the interpreter's, the system's and those of the packages that matter."""
    del arguments
    print(f"simfleet {__version__}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    for package in PACKAGES:
        print(f"{package} {_installed(package)}")
    return ExitCode.PASSED


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
