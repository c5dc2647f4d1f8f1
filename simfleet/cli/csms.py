"""`simfleet csms`: the embedded central system alone, until it is interrupted.

With the hidden `--control` it is the child process of a load run (see `csms/control.py`).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.cli.exit_codes import ExitCode
from simfleet.csms.access import Access, parse_passwords
from simfleet.csms.behaviour import GOOD, Behaviour, behaviour_of
from simfleet.csms.control import control
from simfleet.csms.embedded import PASSWORD_VARIABLE
from simfleet.csms.pki_folder import PkiFolder
from simfleet.csms.server import serve_csms
from simfleet.errors import UsageWrong
from simfleet.fleet.garbage import calm_garbage, sweep_garbage
from simfleet.load.clocks import ScaledClock
from simfleet.ocpp.versions import VERSIONS, catalog_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from simfleet.csms.server import Csms

REPORT_TERMINAL_S: Final = 1.0
REPORT_LOG_S: Final = 10.0
"""How often the status line comes, on a terminal and in a log."""


def main(arguments: argparse.Namespace) -> int:
    """Serve until interrupted, or until standard input ends with `--control`. Exit code 0."""
    behaviour, access = behaviour_from(arguments), access_from(arguments)
    _raise_descriptor_limit()
    for version in VERSIONS:
        catalog_of(version).warm_up()
    with calm_garbage():
        scale = arguments.time_scale
        clock = None if scale == 1.0 else ScaledClock(scale)
        trio.run(partial(_run, arguments, behaviour, access), clock=clock)
    return ExitCode.PASSED


def behaviour_from(arguments: argparse.Namespace) -> Behaviour:
    """The behaviour that the options describe. Raises `UsageWrong`."""
    start = GOOD
    if arguments.behaviour is not None:
        try:
            start = msgspec.json.decode(arguments.behaviour, type=Behaviour)
        except msgspec.MsgspecError as error:
            raise UsageWrong(f"--behaviour: {error}") from None
    return behaviour_of(
        start=start,
        boot=arguments.boot,
        delays=arguments.delay,
        tags=arguments.reject_tag,
        parents=arguments.parent_tag,
        limits=arguments.transaction_limit,
        misbehave=arguments.misbehave,
        price_per_kwh=arguments.price_per_kwh,
        tariff_per_kwh=arguments.tariff,
        charging_needs=arguments.charging_needs,
        contract_certificates=arguments.contract_certificates,
        revocation=arguments.revocation,
        boot_interval_s=arguments.boot_interval,
        heartbeat_interval_s=arguments.heartbeat_interval,
        seed=arguments.seed,
    )


def access_from(arguments: argparse.Namespace) -> Access:
    """Who may connect, as the options say. Raises `UsageWrong`."""
    passwords = {}
    if arguments.passwords is not None:
        try:
            text = arguments.passwords.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageWrong(f"--passwords: cannot read {arguments.passwords}: {reason}") from None
        passwords = parse_passwords(text, source=str(arguments.passwords))
    access = Access(
        profile=arguments.security_profile,
        password=arguments.password or os.environ.get(PASSWORD_VARIABLE),
        passwords=passwords,
    )
    problem = access.problem(has_tls=arguments.pki is not None)
    if problem is not None:
        raise UsageWrong(problem)
    return access


async def _run(arguments: argparse.Namespace, behaviour: Behaviour, access: Access) -> None:
    pki = None if arguments.pki is None else PkiFolder(arguments.pki)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            serve = partial(
                serve_csms,
                host=arguments.host,
                port=arguments.port,
                behaviour=behaviour,
                access=access,
                pki=pki,
            )
            csms: Csms = await nursery.start(serve)
            nursery.start_soon(sweep_garbage)
            if arguments.control:
                await _obey(csms, signals)
            else:
                await _tell(csms, signals)
            with trio.CancelScope() as stopping:
                nursery.start_soon(_abort_on, signals, stopping)
                await csms.stop()
            nursery.cancel_scope.cancel()
    if not arguments.control:
        print(_summary(csms))


async def _obey(csms: Csms, signals: AsyncIterator[int]) -> None:
    """Answer the parent until its end of the pipe closes, or a signal comes."""
    async with trio.open_nursery() as nursery:

        async def until_signal() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(until_signal)
        requests = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
        answers = trio.lowlevel.FdStream(os.dup(sys.stdout.fileno()))
        async with requests, answers:
            await control(csms, requests, answers, host=csms.host, port=csms.port)
        nursery.cancel_scope.cancel()


async def _tell(csms: Csms, signals: AsyncIterator[int]) -> None:
    """Say where we listen and how it goes until a signal comes."""
    shown = f"[{csms.host}]" if ":" in csms.host else csms.host
    where = f"{shown}:{csms.port}/{{identity}}"
    spoken = ", ".join(VERSIONS)
    if not csms.secure:
        print(f"listening on ws://{where} ({spoken})", flush=True)
    elif csms.access.profile >= 2:
        print(f"listening on wss://{where} ({spoken})", flush=True)
    else:
        print(f"listening on ws://{where} and wss://{where} ({spoken})", flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_report, csms)
        await anext(signals)
        nursery.cancel_scope.cancel()


async def _abort_on(signals: AsyncIterator[int], stopping: trio.CancelScope) -> None:
    """A second signal: do not wait for anybody."""
    await anext(signals)
    stopping.cancel()


async def _report(csms: Csms) -> None:
    """The status line on standard error: rewritten on a terminal, now and then in a log."""
    terminal = sys.stderr.isatty()
    every_s = REPORT_TERMINAL_S if terminal else REPORT_LOG_S
    calls, due_s = 0, trio.current_time()
    try:
        while True:
            due_s += every_s
            await trio.sleep_until(due_s)
            before, calls = calls, sum(csms.book.calls.values())
            line = (
                f"{csms.connected} connected, {len(csms.book.open)} transactions open, "
                f"{max(0, calls - before) / every_s:.0f} calls/s"
            )
            print(
                f"\r{line}\x1b[K" if terminal else line,
                end="" if terminal else "\n",
                file=sys.stderr,
                flush=True,
            )
    finally:
        if terminal:
            print(file=sys.stderr)


def _summary(csms: Csms) -> str:
    book = csms.book
    calls = sum(book.calls.values())
    return (
        f"{len(book.stations)} stations, {book.connected_peak} connected at most, {calls} CALLs, "
        f"{book.starts} transactions started, {book.stops} stopped, "
        f"{book.energy_wh / 1000:.1f} kWh, {book.wrongs.violations} violations"
    ) + "".join(f"\n{name}: {_counted(counts)}" for name, counts in _rarely_told(csms) if counts)


def _rarely_told(csms: Csms) -> list[tuple[str, dict[str, int]]]:
    """What most runs have none of, by name."""
    book, upkeep = csms.book, csms.book.upkeep
    certificates = {name: count for name, count in upkeep.certificates.items() if count}
    return [
        ("firmware", upkeep.firmware),
        ("signed firmware", upkeep.signed_firmware),
        ("diagnostics", upkeep.diagnostics),
        ("logs", upkeep.logs),
        ("security events", upkeep.security_event_types),
        ("certificates", certificates),
        ("refused connections", book.refused),
    ]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _raise_descriptor_limit() -> None:
    """Each connection takes a descriptor; take as many as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where that is forbidden the limit stays, and connections beyond it wait to be accepted.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
