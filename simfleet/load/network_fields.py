"""`network` of a slice and of a stage: what is wrong with the way to the CSMS, and for whom.

The fields are those of `link.impairments`, so a scenario can say what a live action can; see
`written_structs.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from simfleet.documents.fields import Draft, Key, ListOf, OneOf, Part, fields_of
from simfleet.documents.kinds import BAD, did_you_mean
from simfleet.link.impairments import IMPAIRMENTS, problem
from simfleet.load.command_kinds import Share
from simfleet.load.recipients import Recipients, check_recipients
from simfleet.load.written_structs import Written, by_tag, written
from simfleet.ocpp.versions import actions_sent_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.documents.nodes import Report
    from simfleet.link.impairments import Impairment

NETWORK_MAX: Final = 20
"""Impairments of one slice or stage."""
_EXAMPLE: Final = "an impairment such as {kind: latency, delay: 100ms}"


class _Impairment(Written, frozen=True, kw_only=True):
    """An impairment as a scenario writes it."""

    @property
    def impairment(self) -> Impairment:
        """What is done to the links."""
        made: Impairment = self.meant(_STRUCTS)
        return made


class StageImpairment(_Impairment, frozen=True, kw_only=True):
    """What is wrong with the network while a stage lasts."""

    to: Annotated[
        Recipients,
        Key(
            Part(Recipients, "a mapping such as {slice: ac, share: 10%}"),
            "which chargers, of those that the stage has; each impairment draws its own",
        ),
    ] = Recipients()


class SliceImpairment(_Impairment, frozen=True, kw_only=True):
    """What is wrong with the network of a slice, from beginning to end."""

    share: Annotated[
        float, Key(Share(), "how many chargers of the slice, rounded up; drawn by the seed")
    ] = 1.0


_STRUCTS: Final = by_tag(IMPAIRMENTS)
STAGE_IMPAIRMENTS: Final = written(_STRUCTS, StageImpairment, "Stage")
SLICE_IMPAIRMENTS: Final = written(_STRUCTS, SliceImpairment, "Slice")
STAGE_NETWORK: Final = ListOf(
    OneOf("kind", STAGE_IMPAIRMENTS, _EXAMPLE), "impairments", count_min=0, count_max=NETWORK_MAX
)
SLICE_NETWORK: Final = ListOf(
    OneOf("kind", SLICE_IMPAIRMENTS, _EXAMPLE), "impairments", count_min=0, count_max=NETWORK_MAX
)


def check_network(owner: Draft, slices: Sequence[Draft], report: Report) -> None:
    """Report what is wrong with the impairments of a slice or a stage, each on its own."""
    impairments = owner.get("network")
    for draft in () if impairments is BAD else impairments:
        if draft is BAD:
            continue
        check_recipients(draft, slices, report)
        _check_one(draft, report)


def _check_one(draft: Draft, report: Report) -> None:
    fields = {field.attribute: name for name, field in fields_of(draft.struct).items()}
    struct = _STRUCTS[str(draft.struct.__struct_config__.tag)]
    given = {name: draft.get(name) for name in struct.__struct_fields__}
    if BAD in given.values():
        return
    known = (*actions_sent_by("station"), *actions_sent_by("csms"))
    for name in given.get("actions") or ():
        if name not in known:
            near = did_you_mean(name, known) or "; write one such as Authorize or StartTransaction"
            message = f"{name[:40]!r} is not a message of OCPP{near}"
            report(draft.place_of("actions"), f"{draft.path}.{fields['actions']}", message)
            return
    found = problem(struct(**given))
    if found is not None:
        attribute, message = found
        report(draft.place_of(attribute), f"{draft.path}.{fields[attribute]}", message)
