"""`faults` of a stage: what chargers do wrong on purpose while it lasts, and which of them.

The fields are those of `station.fault_kinds`, so a scenario can say what REST can; see
`written_structs.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from simfleet.documents.fields import Draft, Key, OneOf, Part, fields_of
from simfleet.documents.kinds import BAD
from simfleet.load.recipients import Recipients, check_recipients
from simfleet.load.written_structs import Written, by_tag, written
from simfleet.ocpp.versions import catalog_of
from simfleet.station.fault_kinds import FAULTS, problems

if TYPE_CHECKING:
    from simfleet.documents.nodes import Report
    from simfleet.station.fault_kinds import Fault

STAGE_FAULTS_MAX: Final = 50


class StageFault(Written, frozen=True, kw_only=True):
    """What chargers do wrong on purpose while a stage lasts."""

    to: Annotated[
        Recipients,
        Key(
            Part(Recipients, "a mapping such as {slice: ac, share: 10%}"),
            "which chargers, of those that the stage has; each fault draws its own",
        ),
    ] = Recipients()

    @property
    def fault(self) -> Fault:
        """The fault that each of them is given."""
        made: Fault = self.meant(_STRUCTS)
        return made


_STRUCTS: Final = by_tag(FAULTS)
STAGE_FAULTS: Final = written(_STRUCTS, StageFault, "Stage")
"""The same faults as a scenario writes them."""
FAULT: Final = OneOf("kind", STAGE_FAULTS, "a fault such as {kind: frozen_meter, for: 10s}")


def check_faults(stage: Draft, slices: list[Draft], report: Report) -> None:
    """Report what is wrong with the faults of a stage, each on its own: chargers that the fleet
    does not have, and what its chargers could not do.
    """
    faults = stage.get("faults")
    for draft in () if faults is BAD else faults:
        if draft is BAD:
            continue
        check_recipients(draft, slices, report)
        to = draft.get("to")
        wanted = to.get("slices") if isinstance(to, Draft) else to.slices if to is not BAD else ()
        if wanted is BAD:
            continue  # which chargers are meant is not known
        chosen = [item for item in slices if not wanted or item.get("name") in wanted]
        check_fault(draft, chosen, report)


def check_fault(draft: Draft, slices: list[Draft], report: Report) -> None:
    """Report what chargers of these slices could not do of one fault."""
    fields = fields_of(draft.struct)
    struct = _STRUCTS[str(draft.struct.__struct_config__.tag)]
    given = {name: draft.get(name) for name in struct.__struct_fields__}
    counts = [item.get("connectors") for item in slices]
    if BAD in given.values() or BAD in counts or not counts:
        return
    versions = [item.get("version") for item in slices]
    for version in dict.fromkeys(one for one in versions if one is not BAD):
        found = list(problems(struct(**given), connectors=min(counts), catalog=catalog_of(version)))
        for attribute, message in found:
            name = next(name for name, field in fields.items() if field.attribute == attribute)
            report(draft.place_of(attribute), f"{draft.path}.{name}", message)
        if found:
            return  # once is enough
