"""`to`: whom a command, a fault or an impairment is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from simfleet.documents.fields import Draft, Key
from simfleet.documents.kinds import BAD
from simfleet.load.command_kinds import Names, Share, Versions
from simfleet.ocpp.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.documents.nodes import Report


class Recipients(msgspec.Struct, frozen=True, kw_only=True):
    """Which chargers; a command goes to those of them that are connected and booted."""

    slices: Annotated[
        tuple[str, ...],
        Key(Names("the name of a slice"), "only chargers of this slice, or of these", "slice"),
    ] = ()
    versions: Annotated[
        tuple[Version, ...],
        Key(
            Versions("an OCPP version, spelled as the subprotocol"),
            "only chargers that speak this version, or one of these",
            "version",
        ),
    ] = ()
    share: Annotated[
        float,
        Key(
            Share(),
            "how many of them, rounded up; the same seed chooses the same chargers,"
            " and the same share does in every command",
        ),
    ] = 1.0


def check_recipients(owner: Draft, slices: Sequence[Draft], report: Report) -> None:
    """Report slices in `to` that the fleet does not have."""
    to = owner.values.get("to")
    if not isinstance(to, Draft):
        return
    wanted: Any = to.get("slices")
    names = [item.get("name") for item in slices]
    for name in () if wanted is BAD or BAD in names else wanted:
        if name not in names:
            message = f"{name!r} is not a slice of the fleet; write {', '.join(names)}"
            report(to.place_of("slices"), f"{to.path}.slice", message)
