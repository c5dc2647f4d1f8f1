"""Every exit code of `simfleet`, what it means, and which error ends in which.

The numbers are an interface: CI jobs branch on them. 2, 70, 130 and 141 follow the shell and
sysexits.h; 99 and 104 are k6's, so that a pipeline that knows k6 knows them.
docs/exit-codes.md is `as_markdown()` of this module.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Self

from simfleet.errors import (
    LinkError,
    PreflightFailed,
    ScenarioInvalid,
    SimFleetError,
    TargetUnreachable,
    UsageWrong,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """How a command ended. `meaning` says what happened, `remedy` what to do about it."""

    meaning: str
    remedy: str

    def __new__(cls, number: int, meaning: str, remedy: str) -> Self:
        """A member is its number, with two texts."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        member.remedy = remedy
        return member

    PASSED = (
        0,
        "The command did what it was asked; a run kept every threshold and its ledger.",
        "Nothing.",
    )
    USAGE = (
        2,
        "A command, an option or a path cannot be used as given. Nothing was started.",
        "Read the message, or `simfleet COMMAND --help`.",
    )
    INTERNAL = (
        70,
        "SimFleet itself failed. The traceback is on standard error.",
        "It is a bug: report it with the traceback and the run folder, if there is one.",
    )
    THRESHOLD_FAILED = (
        99,
        "The run is valid, and the target missed at least one threshold, one that ended the run "
        "(`abort_on_fail`, result `aborted`) among them, or accepted not a single charger; or a "
        "[scripted case](cases.md) failed.",
        "Read `verdict.reasons` in `summary.json`; it names each threshold and the measured value.",
    )
    SCENARIO_INVALID = (
        104,
        "The scenario file has mistakes. All of them are listed, with line and column. "
        "Nothing was started.",
        "Correct the lines named; `simfleet check` repeats the examination.",
    )
    TARGET_UNREACHABLE = (
        105,
        "The CSMS cannot be reached, or does not speak OCPP there: nothing was started. "
        "Or it was lost during the run and did not come back.",
        "Check the URL, and that the CSMS listens there and accepts the subprotocol.",
    )
    INVALID_RUN = (
        106,
        "This machine could not carry the load: refused before the start (file descriptors, "
        "ports), or the generator did not keep up, so that the figures say nothing about the "
        "target.",
        "Follow the message, or spread the load: fewer chargers, a slower ramp, a larger machine.",
    )
    LEDGER_BROKEN = (
        107,
        "The books do not balance: a transaction stopped twice or never, two open CALLs on one "
        "connection, energy that is not the integral of power, a queue left undrained, or a "
        "charger that crashed.",
        "Read `ledger` in `summary.json`. Against the embedded CSMS it is a bug in SimFleet.",
    )
    INTERRUPTED = (
        130,
        "Ctrl-C or SIGTERM ended the command. After the first, a run stops its transactions and "
        "still writes its summary.",
        "Nothing, if it was you.",
    )
    OUTPUT_CLOSED = (
        141,
        "Standard output could not be written to its end: its reader closed it, as `head` does, or "
        "its disk is full.",
        "Nothing, if it was meant; a run's folder is complete all the same.",
    )


EXIT_CODES: Mapping[type[SimFleetError], ExitCode] = {
    UsageWrong: ExitCode.USAGE,
    ScenarioInvalid: ExitCode.SCENARIO_INVALID,
    PreflightFailed: ExitCode.INVALID_RUN,
    TargetUnreachable: ExitCode.TARGET_UNREACHABLE,
    LinkError: ExitCode.TARGET_UNREACHABLE,
    # Any other that comes this far should have been handled below: it is ours.
    SimFleetError: ExitCode.INTERNAL,
}


def exit_code_of(error: SimFleetError) -> ExitCode:
    """The exit code for an error that ends a command; the nearest base class listed decides."""
    return next(EXIT_CODES[base] for base in type(error).__mro__ if base in EXIT_CODES)


def as_markdown() -> str:
    """The text of docs/exit-codes.md."""
    rows = "\n".join(
        f"| {code.value} | `{code.name}` | {code.meaning} | {code.remedy} |" for code in ExitCode
    )
    return f"""# Exit codes

What `simfleet` returns to the shell. The numbers are an interface and do not change.

| code | name | what happened | what to do |
|---|---|---|---|
{rows}

Written by `python -m simfleet.cli.exit_codes > docs/exit-codes.md`.
"""


if __name__ == "__main__":
    print(as_markdown(), end="")
