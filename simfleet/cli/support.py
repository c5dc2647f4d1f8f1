"""`simfleet support`: which OCPP messages the stations and the embedded CSMS understand.

Made from the tables that the program itself looks messages up in, so it cannot say more than is
there. `docs/support.md` is its output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from simfleet.ocpp.catalog import Action

HEAD: Final = """\
# Supported messages

Every message of the versions that SimFleet speaks, in both directions, from the tables in which
the program looks them up: this page is the output of `simfleet support`, and a test fails when it
is not.

- **station** is the virtual charger: it *sends* the message by itself when its state calls for it,
  or *answers* it as its state demands. **-**: neither; a CALL is answered `NotImplemented`.
- **embedded CSMS** *answers* what stations send, and *sends* what it is told to (a scenario's
  `commands`, the control channel of `simfleet csms`).
- **code** names the functions that make the station's request or answer the CSMS's.
"""


class Row(Struct, frozen=True):
    """One message of one version."""

    action: str
    block: str
    station: str
    csms: str
    code: tuple[str, ...]


def main(arguments: argparse.Namespace) -> int:
    """Print the matrix; the command takes no arguments."""
    del arguments
    print(support(), end="")
    return ExitCode.PASSED


def support() -> str:
    """The matrix of all versions, as Markdown."""
    from simfleet.station.dialects import DIALECTS

    return HEAD + "".join(
        f"\n## {version.upper().replace('OCPP', 'OCPP ')}\n\n" + _table(rows_of(version))
        for version in DIALECTS
    )


def rows_of(version: str) -> list[Row]:
    """The messages of one version, by block in the order of the standard, then by name."""
    from simfleet.station.dialects import dialect_of

    dialect = dialect_of(version)
    code = dialect.station_code()
    blocks = list(
        dict.fromkeys(BLOCKS if version == "ocpp1.6" else BLOCKS_2)
        | {a.block: None for a in dialect.catalog.actions.values()}
    )
    rows = [_row(action, code.get(name, [])) for name, action in dialect.catalog.actions.items()]
    return sorted(rows, key=lambda row: (blocks.index(row.block), row.action))


BLOCKS: Final = (
    *("Core", "FirmwareManagement", "LocalAuthListManagement", "Reservation"),
    *("SmartCharging", "RemoteTrigger", "Security"),
)


BLOCKS_2: Final = (
    *("Security", "Provisioning", "Authorization", "LocalAuthorizationList", "Transactions"),
    *("RemoteControl", "Availability", "Reservation", "TariffAndCost", "MeterValues"),
    *("SmartCharging", "Firmware", "ISO15118Certificates", "Diagnostics", "DisplayMessage"),
    *("DataTransfer", "BidirectionalPowerTransfer", "DER", "BatterySwap"),
)
"""A to S, in the order of the standard."""


def _row(action: Action, functions: Sequence[Callable[..., object]]) -> Row:
    from simfleet.csms.answers import ANSWERS

    station, csms = [], []
    known = bool(functions)
    if "station" in action.sent_by:
        station.append("sends" if known else "-")
        csms.append("answers" if action.request in ANSWERS else "-")
    if "csms" in action.sent_by:
        station.append("answers" if known else "-")
        csms.append("sends")
    return Row(
        action.name,
        action.block,
        ", ".join(station),
        ", ".join(csms),
        tuple(dict.fromkeys(_place(function) for function in functions)),
    )


def _place(function: Callable[..., object]) -> str:
    module = function.__module__.removeprefix("simfleet.station.dialects.")
    return f"{module}.{function.__name__}"


def _table(rows: Sequence[Row]) -> str:
    return "\n".join(_lines(rows)) + "\n"


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    full = sum("-" not in (row.station, row.csms) for row in rows)
    yield f"{full} of {len(rows)} messages on both sides."
    yield ""
    yield "| message | block | station | embedded CSMS | code |"
    yield "|---|---|---|---|---|"
    for row in rows:
        code = ", ".join(f"`{place}`" for place in row.code)
        yield f"| {row.action} | {row.block} | {row.station} | {row.csms} | {code} |"
