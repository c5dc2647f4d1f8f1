"""The `simfleet` command: parse, import the command asked for, turn its end into an exit code.

The only place where an exception becomes an exit code and a line on standard error:

- what SimFleet raises on purpose (`SimFleetError`) is one line per problem and no traceback;
- Ctrl-C is 130; standard output that cannot be written (its reader went away, its disk is full)
  is 141;
- anything else is a bug of ours: the traceback, a line that says so, and 70.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING

from simfleet import __version__
from simfleet.cli.arguments import COMMANDS
from simfleet.cli.exit_codes import ExitCode, exit_code_of
from simfleet.errors import SimFleetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
DESCRIPTION = """\
SimFleet drives virtual EV chargers (OCPP) against a central system and tells the truth about it.
"""
EPILOG = "\n".join(
    [
        "exit codes:",
        *(f"  {code.value:<5} {code.name.lower().replace('_', ' ')}" for code in ExitCode),
        "",
        "'simfleet COMMAND --help' explains a command's options.",
    ]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    _open_closed_streams()
    try:
        code = _parse_and_run(argv)
        sys.stdout.flush()  # here, where a closed pipe can still be answered
    except BaseException as error:
        code = explain(error)
    _let_go_of_stderr()
    return code


def _open_closed_streams() -> None:
    """Open those standard streams that were closed by whoever started us (`>&-`), to nothing:
    otherwise the next sockets and files would get their numbers, and a child inherit them.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _let_go_of_stderr() -> None:
    """Drop what nobody reads any more, or the interpreter's last flush makes it exit code 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; cheap, since no command is imported for it."""
    parser = argparse.ArgumentParser(
        prog="simfleet",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"simfleet {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command in COMMANDS:
        examples = "\n".join(f"  {example}" for example in command.examples)
        command.configure(
            commands.add_parser(
                command.name,
                help=f"{command.summary}\n  {command.examples[0]}",
                description=f"{command.summary[0].upper()}{command.summary[1:]}.",
                epilog=f"examples:\n{examples}\n\n{command.details}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
        )
    return parser


def _parse_and_run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as parsed:  # argparse has printed help (0) or what is wrong (2)
        return ExitCode.USAGE if parsed.code else ExitCode.PASSED
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    command = importlib.import_module(f"simfleet.cli.{arguments.command}")
    return int(command.main(arguments))


# ── how a command that raised ends ───────────────────────────────────────────────────────────────


def explain(error: BaseException) -> ExitCode:
    """Say on standard error why the command ended, and return the code for it."""
    causes = list(_leaves(error))
    bugs = [cause for cause in causes if not isinstance(cause, SimFleetError | KeyboardInterrupt)]
    full = bool(bugs) and _stdout_is_full(bugs[0])
    if full:
        _say(f"simfleet: cannot write to standard output: {bugs[0]}")
    gone = bool(bugs) and all(isinstance(cause, BrokenPipeError) for cause in bugs)
    if full or (gone and _stdout_is_broken()):
        # Point it elsewhere, or the interpreter's last flush fails aloud.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED
    if bugs:
        return _report_bug(error)
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        _say("simfleet: interrupted")
        return ExitCode.INTERRUPTED
    known = [cause for cause in causes if isinstance(cause, SimFleetError)]
    for message in dict.fromkeys(str(cause) for cause in known):  # each text once, in order
        for line in message.splitlines() or [type(known[0]).__name__]:
            _say(f"simfleet: {line}")
    return exit_code_of(known[0])


def _say(text: str) -> None:
    """Print to standard error; that nobody reads it changes no exit code."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that a nursery's groups, however nested, are about."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _report_bug(error: BaseException) -> ExitCode:
    import traceback  # 10 ms that only a failure should cost

    _say("".join(traceback.format_exception(error)).rstrip("\n"))
    _say(
        f"simfleet: this is a bug in SimFleet {__version__}; "
        "please report it with the traceback above"
    )
    return ExitCode.INTERNAL


def _stdout_is_full(error: BaseException) -> bool:
    """Whether `error` is that standard output has no room; asked, since other disks fill up too."""
    if not isinstance(error, OSError) or error.errno not in _NO_ROOM or error.filename is not None:
        return False
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return True
    return False


def _stdout_is_broken() -> bool:
    """Whether nobody reads standard output any more; asked, since other pipes break too."""
    import select

    asked = select.poll()
    asked.register(sys.stdout.fileno(), 0)  # errors are reported without being asked for
    return any(events & select.POLLERR for _, events in asked.poll(0))
