"""Which key does what. Pure: keys go in, actions come out, and the lines at the foot of the view.

A key either is an action, or asks something first: a number that is typed, or one more key.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.documents.quantities import parse_duration, parse_number
from simfleet.link import impairments
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.live.actions import (
    RATE_MAX_PER_S,
    ChangeMode,
    ChangeRate,
    ChangeTarget,
    ClearFaults,
    ClearNetwork,
    ExtendStage,
    ImpairNetwork,
    InjectFault,
    KillChargers,
    PauseRun,
    ResumeRun,
    SkipStage,
    StopRun,
    percent,
)
from simfleet.station import fault_kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.load.live.actions import LiveAction
    from simfleet.load.stage_fields import Mode

STEP: Final = 0.1
KILLED: Final = 0.1
LONGER_S: Final = 30.0
TYPED_MAX: Final = 40
ENTER: Final = "\r\n"
ESCAPE: Final = "\x1b"
BACKSPACE: Final = "\x7f\b"

BRIEF: Final = (
    "p pause  + - target  t to..  r rate  m mode  k kill 10 %  f fault  n network  e +30 s  s skip"
    "  q stop  ? help"
)
HELP: Final = (
    "p  pause and go on: nobody comes, goes or begins a session meanwhile",
    "+ -  target by 10 %     t  type a target: 500, 80 %, 500 over 30s",
    "r  sessions a second    m  what the chargers do    e  stage 30 s longer",
    "k  cut 10 % off         K  cut off: 5 %, 5 % for 1m, 5 % power for 1m",
    "f  a fault, or clear   n  a bad network, or good",
    "s  the next stage      q  stop in order; again: cut everything off",
)
MODES: Final[dict[str, Mode]] = {"i": "idle", "c": "connect", "g": "charging"}
FAULTS: Final[dict[str, tuple[str, fault_kinds.Fault]]] = {
    "1": ("StopTransaction missing", fault_kinds.MissingStop()),
    "2": ("CALLs unanswered", fault_kinds.UnansweredCall()),
    "3": ("frames malformed", fault_kinds.MalformedFrame()),
    "4": ("payloads invalid", fault_kinds.SchemaInvalid()),
    "5": ("InternalError", fault_kinds.ErrorCodeFault(error_code="InternalError")),
    "6": ("meter frozen", fault_kinds.FrozenMeter()),
    "7": ("clock 1 h ahead", fault_kinds.ClockSkew(seconds=3600.0)),
    "8": ("StartTransaction twice", fault_kinds.DuplicateStart()),
    "9": ("wrong transaction id", fault_kinds.WrongTransactionId()),
}

NETWORKS: Final[dict[str, tuple[str, impairments.Impairment]]] = {
    "1": ("latency 200 ms", impairments.Latency(delay_s=0.2, jitter_s=0.05)),
    "2": ("a reset a minute", impairments.Reset(every_s=60.0)),
    "3": ("stalls of 10 s", impairments.Stall(for_s=10.0, every_s=60.0)),
    "4": ("half-open after a minute", impairments.HalfOpen(every_s=60.0, count=1)),
    "5": ("refused connections", impairments.Refuse()),
}


class Standing(Struct, frozen=True):
    """What keys depend on."""

    target: int
    most: int
    paused: bool
    stopping: bool = False


class Keys:
    """See the module. `foot` are the lines to show; they change with every key."""

    def __init__(self) -> None:
        self.foot: list[str] = [BRIEF]
        self._typed = ""
        self._question = ""
        self._read: Callable[[str, Standing], LiveAction] | None = None
        """Makes an action of what is typed; None: nothing is being typed."""
        self._choices: dict[str, LiveAction | Callable[[], None]] | None = None
        self._helping = False

    def press(self, key: str, standing: Standing) -> LiveAction | None:
        """One key; the action that it is, or completes, if any."""
        if self._read is not None:
            return self._type(key, standing)
        if self._choices is not None:
            return self._choose(key)
        self._helping = key == "?" and not self._helping
        self.foot = list(HELP) if self._helping else [BRIEF]
        return self._command(key, standing)

    def say(self, text: str) -> None:
        """Show what came of a key, above the keys."""
        self.foot = [text, BRIEF]

    # ── one key ─────────────────────────────────────────────────────────────────────────────────

    def _command(self, key: str, standing: Standing) -> LiveAction | None:
        match key:
            case "p":
                return ResumeRun() if standing.paused else PauseRun()
            case "+" | "=" | "-":
                return self._step(standing, up=key != "-")
            case "k":
                return KillChargers(share=KILLED)
            case "e":
                return ExtendStage(by_s=LONGER_S)
            case "s":
                return SkipStage()
            case "q":
                return StopRun(now=standing.stopping)
            case "t":
                self._ask(
                    f"target, 0 to {standing.most}, such as 500, 80 % or 500 over 30s", _target
                )
            case "r":
                self._ask("sessions a second", _rate)
            case "K":
                self._ask("cut off, such as 5 %, 5 % for 1m or 5 % power for 1m", _kill)
            case "m":
                self._offer(
                    "mode: i idle, c connect, g charging",
                    {letter: ChangeMode(mode=mode) for letter, mode in MODES.items()},
                )
            case "f":
                self._offer_by_share(
                    "fault",
                    {
                        number: (name, partial(_fault, fault))
                        for number, (name, fault) in FAULTS.items()
                    },
                    ("clear all", ClearFaults()),
                )
            case "n":
                self._offer_by_share(
                    "network",
                    {
                        number: (name, partial(_network, impairment))
                        for number, (name, impairment) in NETWORKS.items()
                    },
                    ("good again", ClearNetwork()),
                )
        return None

    def _step(self, standing: Standing, *, up: bool) -> LiveAction | None:
        by = max(1, round(standing.target * STEP))
        to = min(standing.most, standing.target + by) if up else max(0, standing.target - by)
        if to == standing.target:
            self.say(f"the target is {to} already; the fleet has 0 to {standing.most} chargers")
            return None
        return ChangeTarget(to=to)

    # ── one more key ────────────────────────────────────────────────────────────────────────────

    def _offer(self, question: str, choices: dict[str, LiveAction | Callable[[], None]]) -> None:
        self._choices = choices
        self.foot = [question, "any other key: nothing"]

    def _offer_by_share(
        self,
        what: str,
        made: dict[str, tuple[str, Callable[[float], LiveAction]]],
        none: tuple[str, LiveAction],
    ) -> None:
        """Offer these by their numbers, each asking for a share; and, as 0, to end them."""

        def asking(name: str, make: Callable[[float], LiveAction]) -> Callable[[], None]:
            def read(text: str, _: Standing) -> LiveAction:
                return make(_share(text) if text else KILLED)

            question = f"{name}: share of the chargers (Enter: {percent(KILLED)})"
            return lambda: self._ask(question, read)

        named = ", ".join(f"{number} {name}" for number, (name, _) in made.items())
        choices: dict[str, LiveAction | Callable[[], None]] = {
            number: asking(name, make) for number, (name, make) in made.items()
        }
        self._offer(f"{what}: {named}, 0 {none[0]}", {**choices, "0": none[1]})

    def _choose(self, key: str) -> LiveAction | None:
        assert self._choices is not None
        choice = self._choices.get(key)
        self._choices = None
        self.foot = [BRIEF]
        if callable(choice):
            choice()
            return None
        return choice

    # ── typing ──────────────────────────────────────────────────────────────────────────────────

    def _ask(self, question: str, read: Callable[[str, Standing], LiveAction]) -> None:
        self._typed, self._question, self._read = "", question, read
        self._show_typed()

    def _show_typed(self) -> None:
        self.foot = [f"{self._question}: {self._typed}_", "Enter: do it, Esc: nothing"]

    def _type(self, key: str, standing: Standing) -> LiveAction | None:
        assert self._read is not None
        if key in ENTER:
            read, self._read = self._read, None
            self.foot = [BRIEF]
            try:
                return read(self._typed.strip(), standing)
            except ValueError as problem:
                self.say(str(problem))
                return None
        if key == ESCAPE:
            self._read = None
            self.foot = [BRIEF]
            return None
        if key in BACKSPACE:
            self._typed = self._typed[:-1]
        elif key.isprintable() and len(self._typed) < TYPED_MAX:
            self._typed += key
        self._show_typed()
        return None


def _fault(fault: fault_kinds.Fault, share: float) -> LiveAction:
    return InjectFault(fault=fault, share=share)


def _network(impairment: impairments.Impairment, share: float) -> LiveAction:
    return ImpairNetwork(impairment=impairment, share=share)


# ── what is typed ────────────────────────────────────────────────────────────────────────────────


def _target(text: str, standing: Standing) -> LiveAction:
    said, _sep, over = text.partition(" over ")
    said = said.strip()
    if said.endswith("%"):
        to = round(_share(said, least=0.0) * standing.most)
    elif re.fullmatch(r"[0-9]{1,9}", said):
        to = int(said)
    else:
        raise ValueError(f"{said!r} is no target; write chargers, or a share such as 80 %")
    return ChangeTarget(to=to, over_s=_duration(over) if over else None)


def _rate(text: str, _: Standing) -> LiveAction:
    per_s = parse_number(text.removesuffix("/s").strip())
    if not 0 <= per_s <= RATE_MAX_PER_S:
        raise ValueError(f"{text!r} is out of range; write 0 to {RATE_MAX_PER_S:g}")
    return ChangeRate(per_s=per_s)


def _kill(text: str, _: Standing) -> LiveAction:
    said, _sep, lasting = text.partition(" for ")
    said = said.strip()
    power = said.endswith("power")
    share = _share(said.removesuffix("power").strip())
    for_s = _duration(lasting) if lasting else None
    return KillChargers(share=share, how="power" if power else "link", for_s=for_s)


def _share(text: str, *, least: float = 0.0001) -> float:
    """A share in percent, with or without the sign."""
    share = parse_number(text.removesuffix("%").strip()) / 100
    if not least <= share <= 1:
        raise ValueError(f"{text!r} is out of range; write a share such as 10 %")
    return share


def _duration(text: str) -> float:
    seconds = parse_duration(text.strip())
    if not 0 <= seconds <= DAY_S:
        raise ValueError(f"{text!r} is out of range; write up to a day")
    return seconds
