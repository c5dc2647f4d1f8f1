"""The steps of a case that expect something: messages, states, and what the CSMS knows.

A step that does something opens a new page of the charger's messages when it begins. `expect` looks
at the messages of that page which no `expect` before it has had, then at those that come, so a
message that was faster than the script is not missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.errors import CsmsFailed, Refused
from simfleet.load.cases.scene import StepFailed
from simfleet.load.cases.where import Comparison, Difference, differences
from simfleet.ocpp.versions import ANSWERED, good_statuses_of
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simfleet.load.cases.frames import Frame, Window
    from simfleet.load.cases.scene import Scene
    from simfleet.load.cases.steps import Assert, CsmsStep, Expect, Until
    from simfleet.station.connector import Connector

NEAREST_SHOWN: Final = 2
OTHERS_SHOWN: Final = 5
ASK_AGAIN_S: Final = 0.5
"""How often the CSMS is asked again, besides at every message of the charger."""
LOOK_AGAIN_S: Final = 0.05
"""How often the state of a charger is looked at again."""


class Sought:
    """Which message a step is about, its placeholders filled."""

    def __init__(self, step: Expect | Assert, scene: Scene) -> None:
        self.action = str(step.sent or step.received or step.reply_to)
        self.reply = step.reply_to is not None
        self.way = None if self.reply else "sent" if step.sent else "received"
        self.error = step.error
        connector_id = getattr(step, "connector_id", 1)
        self.where = step.where.filled(lambda value: scene.fill(value, connector_id=connector_id))

    def is_kind(self, frame: Frame) -> bool:
        """Whether a message is of the kind that is meant, whatever it says."""
        if frame.action != self.action or frame.is_reply != self.reply:
            return False
        return self.way is None or frame.way == self.way

    def differences(self, frame: Frame) -> list[Difference]:
        """In what a message of that kind is not the one that is meant."""
        if self.reply and (frame.code or None) != self.error:
            wanted = f"the error {self.error}" if self.error else "no error"
            return [Difference("it", wanted, f"the error {frame.code}" if frame.code else "none")]
        return differences(self.where, frame.payload)

    def described(self) -> str:
        """In a few words."""
        what = f"{self.action} {self.way}" if self.way else f"the reply to {self.action}"
        if self.error:
            what += f" with the error {self.error}"
        return what + (f" where {self.where.described()}" if self.where.conditions else "")


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


async def expect(step: Expect, scene: Scene, window: Window, page: int) -> None:
    """Wait for a message, or see that none comes. `page` is the number of the first message that
    counts. Raises `StepFailed`.
    """
    sought = Sought(step, scene)
    deadline_s = trio.current_time() + step.within_s
    number, found = page, 0
    while True:
        for frame in window.since(number):
            number = frame.number + 1
            if frame.taken or not sought.is_kind(frame) or sought.differences(frame):
                continue
            if step.never:
                raise StepFailed(f"{sought.described()} was not to come, but came: {frame.shown()}")
            frame.taken = True
            found += 1
            if found >= step.count:
                return
        if trio.current_time() >= deadline_s:
            break
        await window.changed(deadline_s)
    if not step.never:
        raise StepFailed(_missed(step, sought, window, page, found))


def _missed(step: Expect, sought: Sought, window: Window, page: int, found: int) -> str:
    times = f" {step.count} times" if step.count > 1 else ""
    text = f"{sought.described()} did not come{times} within {step.within_s:g} s"
    if found:
        text += f", only {found}"
    rest = [frame for frame in window.since(page) if not frame.taken]
    return text + "; " + "; ".join(_instead(sought, rest, window, page))


def _instead(sought: Sought, frames: Sequence[Frame], window: Window, page: int) -> Iterator[str]:
    """What there was instead: the nearest messages of the kind, or else the last of any."""
    near = sorted(
        ((sought.differences(frame), frame) for frame in frames if sought.is_kind(frame)),
        key=lambda one: (len(one[0]), -one[1].number),
    )
    for wrong, frame in near[:NEAREST_SHOWN]:
        told = ", ".join(map(str, wrong[:3])) + (" and more" if len(wrong) > 3 else "")
        yield f"{'came' if frame.way == 'received' else 'went'} at {frame.after_s:.3f} s: {told}"
    if near:
        if len(near) > NEAREST_SHOWN:
            yield f"{len(near) - NEAREST_SHOWN} more of them were not as wanted"
    elif frames:
        others = [frame.title for frame in frames[-OTHERS_SHOWN:]]
        yield f"instead it {', '.join(others)}"
    else:
        yield "there was no other message"
    if window.forgotten > page:
        yield f"{window.forgotten - page} earlier messages are not remembered"


def check_now(step: Assert, scene: Scene, window: Window) -> None:
    """See that something is so now. Raises `StepFailed`."""
    if step.sent or step.received or step.reply_to:
        _assert_messages(step, scene, window)
    problems = list(_wrong_states(step, scene))
    if problems:
        raise StepFailed("; ".join(problems))


def _assert_messages(step: Assert, scene: Scene, window: Window) -> None:
    sought = Sought(step, scene)
    kind = [frame for frame in window.frames if sought.is_kind(frame)]
    found = sum(not sought.differences(frame) for frame in kind)
    wanted = step.count or Comparison(">=", 1)
    if wanted.holds(found):
        return
    text = f"there are {found} of {sought.described()}, wanted {wanted.described()}"
    more = _instead(sought, [f for f in kind if sought.differences(f)] or kind, window, 0)
    raise StepFailed(f"{text}; {'; '.join(more)}" if not found else text)


# ── states ───────────────────────────────────────────────────────────────────────────────────────


def _wrong_states(step: Assert, scene: Scene) -> Iterator[str]:
    station = scene.station
    connector = scene.connector(step.connector_id)
    here = f"connector {connector.id}"
    if step.phase and connector.phase not in step.phase:
        yield f"{here} is {connector.phase}, wanted {' or '.join(step.phase)}"
    runs = _runs(connector)
    if step.transaction is not None and runs != step.transaction:
        yield f"{'a' if runs else 'no'} transaction runs on {here}"
    if step.online is not None and station.online != step.online:
        yield f"the charger is {'connected' if station.online else 'not connected'}"
    transaction = connector.transaction
    energy_wh = 0.0 if transaction is None else connector.meter.energy_wh - transaction.start_wh
    figures: tuple[tuple[str, Comparison | None, float, str], ...] = (
        ("the energy of the transaction", step.energy_kwh, energy_wh / 1000, " kWh"),
        ("the power", step.power_kw, connector.reading().power_w / 1000, " kW"),
        ("the limit", step.limit_kw, connector.offered_w / 1000, " kW"),
        ("the number of messages owed", step.queued, len(station.outbox.durable), ""),
    )
    for what, wanted, found, unit in figures:
        if wanted is not None and not wanted.holds(round(found, 3)):
            yield f"{what} is {found:.4g}{unit}, wanted {wanted.described()}"


def _runs(connector: Connector) -> bool:
    """Whether a transaction runs that the CSMS is told of: in 2.x it may begin before energy."""
    return connector.transaction is not None or connector.visit is not None


async def until(step: Until, scene: Scene, window: Window) -> None:
    """Wait until something is so. Raises `StepFailed`."""
    deadline_s = trio.current_time() + step.within_s
    while True:
        problem = await _not_yet(step, scene)
        if problem is None:
            return
        at_s = trio.current_time()
        if at_s >= deadline_s:
            raise StepFailed(f"{problem}, even after {step.within_s:g} s")
        pause_s = ASK_AGAIN_S if step.transaction else LOOK_AGAIN_S
        await window.changed(min(deadline_s, at_s + pause_s))


async def _not_yet(step: Until, scene: Scene) -> str | None:
    station = scene.station
    connector = scene.connector(step.connector_id)
    if step.online is not None:
        is_online = station.online and (
            not step.online or station.registration is Registration.ACCEPTED
        )
        if is_online != step.online:
            return f"the charger is {'still' if is_online else 'not'} connected" + (
                " and accepted" * (not is_online)
            )
    if step.phase and connector.phase not in step.phase:
        wanted = " or ".join(step.phase)
        return f"connector {connector.id} is {connector.phase}, not {wanted}"
    if step.transaction is None:
        return None
    runs = await _transaction_known(step, scene)
    if runs == (step.transaction == "started"):
        return None
    what = "no transaction" if step.transaction == "started" else "still a transaction"
    return f"the CSMS has {what} on connector {connector.id}"


async def _transaction_known(step: Until, scene: Scene) -> bool:
    """Whether a transaction is open on the connector in the CSMS's books; with somebody else's
    CSMS, by what it has answered.
    """
    csms = scene.engine.csms
    if csms is None:
        station = scene.station
        runs = _runs(station.connector(step.connector_id))
        return runs if not station.outbox.durable else step.transaction != "started"
    try:
        known = await csms.station(scene.identity)
    except (Refused, CsmsFailed) as failure:
        raise StepFailed(str(failure)) from None
    return any(one["connector_id"] == step.connector_id for one in known["transactions"])


# ── the CSMS ─────────────────────────────────────────────────────────────────────────────────────


async def send(step: CsmsStep, scene: Scene) -> None:
    """Have the CSMS send a message, and judge the answer. Raises `StepFailed`."""
    csms = scene.engine.csms
    assert csms is not None, "the scenario was checked"
    payload = scene.fill(step.payload)
    try:
        outcome = await csms.command(scene.identity, step.send, payload)
    except (Refused, CsmsFailed) as failure:
        raise StepFailed(f"{step.send} was not sent: {failure}") from None
    response: dict[str, Any] = outcome["response"] or {}
    came = outcome["failure"] or response.get("status", ANSWERED)
    version = scene.station.spec.version
    expected = step.expect or good_statuses_of(version, step.send)
    if "any" not in expected and came not in expected:
        why = f" ({outcome['detail']})" if outcome["detail"] else ""
        more = _more_of(response)
        raise StepFailed(
            f"{step.send} was answered with {came}{why}, wanted {' or '.join(expected)}{more}"
        )
    where = step.where.filled(scene.fill)
    wrong = differences(where, response) if where.conditions else []
    if wrong:
        raise StepFailed(f"the answer to {step.send}: {', '.join(map(str, wrong[:3]))}")


def _more_of(response: dict[str, Any]) -> str:
    info = response.get("statusInfo")
    if not isinstance(info, dict):
        return ""
    return f"; {info.get('reasonCode', '')} {info.get('additionalInfo', '')}".rstrip()
