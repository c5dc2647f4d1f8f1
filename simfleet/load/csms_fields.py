"""`csms` of a stage: how badly the embedded CSMS behaves while it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from simfleet.documents.fields import Draft, Key, Part
from simfleet.documents.kinds import BAD, Duration, Text
from simfleet.errors import UsageWrong
from simfleet.load.command_kinds import Names

if TYPE_CHECKING:
    from simfleet.csms.behaviour import Behaviour
    from simfleet.documents.nodes import Report

_INSTEAD: Final = {
    "stall": "write freeze: 5s instead",
    "no-subprotocol": "a CSMS that listens already cannot change that",
}


class StageCsms(msgspec.Struct, frozen=True, kw_only=True):
    """What the embedded CSMS does wrong while a stage lasts."""

    delay: Annotated[
        tuple[str, ...],
        Key(
            Names("a time, 50ms or 50ms..2s, for every answer, or MeterValues=1s for one action"),
            "how late its answers are, as `simfleet csms --delay` has it",
        ),
    ] = ()
    misbehave: Annotated[
        tuple[str, ...],
        Key(
            Names("KIND or KIND=VALUE, such as drop=0.05"),
            "what it does wrong, as `simfleet csms --misbehave` has it",
        ),
    ] = ()
    boot: Annotated[
        str | None,
        Key(
            Text("accepted, pending, rejected, or pending:2 for two boots", length_max=30),
            "how it answers BootNotification",
        ),
    ] = None
    freeze_s: Annotated[
        float | None,
        Key(
            Duration(0.001, 3600),
            "for so long, from the beginning of the stage, it neither reads nor answers",
            "freeze",
        ),
    ] = None

    def behaviour(self, seed: int) -> Behaviour:
        """The same as the CSMS has it. Raises `UsageWrong`."""
        from simfleet.csms.behaviour import Behaviour, behaviour_of

        return behaviour_of(
            start=Behaviour(seed=seed),
            boot=self.boot,
            delays=self.delay,
            misbehave=self.misbehave,
        )

    def described(self) -> str:
        """In a few words, for charts."""
        words = [f"delay {text}" for text in self.delay] + list(self.misbehave)
        if self.boot is not None:
            words.append(f"boot {self.boot}")
        if self.freeze_s is not None:
            words.append(f"frozen for {self.freeze_s:g} s")
        return f"the CSMS behaves badly: {', '.join(words)}"


CSMS: Final = Part(StageCsms, "a mapping such as {delay: 2s, misbehave: [drop=0.05]}")


def check_csms(stage: Draft, url: Any, report: Report) -> None:
    """Report what is wrong with the `csms` of a stage; `url` is the target's, or BAD."""
    draft = stage.get("csms")
    if not isinstance(draft, Draft):
        return
    if url not in (BAD, "embedded"):
        message = f"only the embedded CSMS does as it is told; with target.url: {url} leave it out"
        report(stage.place_of("csms"), f"{stage.path}.csms", message)
        return
    for name in ("delay", "misbehave", "boot"):
        value = draft.get(name)
        if value is BAD or not value:
            continue
        for word in (value,) if isinstance(value, str) else value:
            problem = _problem(name, word)
            if problem:
                report(draft.place_of(name), f"{draft.path}.{name}", problem)
                break
    if all(draft.get(name) in ((), None) for name in ("delay", "misbehave", "boot", "freeze_s")):
        message = "says nothing; write delay, misbehave, boot or freeze"
        report(draft.place, draft.path, message)


def _problem(name: str, word: str) -> str:
    instead = _INSTEAD.get(word.partition("=")[0]) if name == "misbehave" else None
    if instead:
        return f"{word!r} is for a whole run; {instead}"
    many = {"delay": StageCsms(delay=(word,)), "misbehave": StageCsms(misbehave=(word,))}
    try:
        many.get(name, StageCsms(boot=word)).behaviour(0)
    except UsageWrong as wrong:
        return str(wrong)
    return ""
