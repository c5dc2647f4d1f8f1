"""Whatever happens to a station of OCPP 2.x, seqNo has no gaps, every transaction that starts ends
once, and the books agree with what the CSMS was told.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders_station2 import OTHER_TAG, SILENCE, TAG, Error, Scene2
from simfleet.errors import Refused
from simfleet.station.effects import Dropped, TransactionClosed, TransactionOpened
from simfleet.station.events import EvPaused, EvResumed, Failed, FaultCleared, StopRequested

POINTS = (
    "ParkingBayOccupancy",
    "EVConnected",
    "Authorized",
    "DataSigned",
    "PowerPathClosed",
    "EnergyTransfer",
)
ACTS = (
    "plug",
    "unplug",
    "tag",
    "other tag",
    "pause",
    "resume",
    "stop",
    "fail",
    "clear",
    "offline",
    "online",
    "power",
    "reset",
    "remote stop",
    "refuse",
    "accept",
    "error",
    "silence",
    "wait",
)


def act(scene: Scene2, what: str) -> None:
    """One thing; what cannot happen now does not."""
    transactions: list[Any] = [one.visit for one in scene.station.connectors if one.visit]
    match what:
        case "plug":
            scene.plug_in()
        case "unplug":
            scene.unplug()
        case "tag":
            scene.present_tag(TAG)
        case "other tag":
            scene.present_tag(OTHER_TAG)
        case "pause":
            scene.tell(EvPaused(1))
        case "resume":
            scene.tell(EvResumed(1))
        case "stop":
            scene.tell(StopRequested(1, unplug=False))
        case "fail":
            scene.tell(Failed(1, "GroundFailure"))
        case "clear":
            scene.tell(FaultCleared(1))
        case "offline" if scene.station.online:
            scene.disconnect()
        case "online" if not scene.station.online and not scene.station.dark:
            scene.connect()
        case "power":
            scene.cycle_power(for_s=3.0)
        case "reset" if scene.station.online:
            scene.call_without_answer("Reset", type="Immediate")
        case "remote stop" if scene.station.online and transactions:
            scene.call_without_answer("RequestStopTransaction", transactionId=transactions[0].id)
        case "refuse":
            scene.on(
                "TransactionEvent",
                lambda p: {"idTokenInfo": {"status": "Blocked"}} if "idToken" in p else {},
            )
        case "accept":
            scene.on("TransactionEvent", {})
        case "error":
            scene.on("TransactionEvent", Error(), {})
        case "silence":
            scene.on("TransactionEvent", SILENCE, {})
        case "wait":
            scene.run(for_s=100.0)


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.sets(st.sampled_from(POINTS), min_size=1, max_size=2),
    stop=st.sets(st.sampled_from(POINTS), min_size=1, max_size=2),
    acts=st.lists(st.sampled_from(ACTS), max_size=25),
    resumption=st.sampled_from(["0", "300"]),
    stops_invalid=st.booleans(),
)
def test_sequences_have_no_gaps_and_transactions_end_once(
    version: str,
    start: set[str],
    stop: set[str],
    acts: list[str],
    resumption: str,
    stops_invalid: bool,
) -> None:
    """E01.FR.07 and FR.08: the witness of the scene checks seqNo of every frame."""
    scene = Scene2(
        version=version,
        configuration={
            "TxCtrlr.TxStartPoint": ",".join(sorted(start)),
            "TxCtrlr.TxStopPoint": ",".join(sorted(stop)),
            "TxCtrlr.ResumptionTimeout": resumption,
            "TransactionMessageAttempts": "100",
            "TransactionMessageRetryInterval": "1",
            "AllowOfflineTxForUnknownId": "true",
            "StopTransactionOnInvalidId": "true" if stops_invalid else "false",
        },
    )
    scene.boot()
    for what in acts:
        try:
            act(scene, what)
        except Refused:
            continue
        scene.run(for_s=1.0)
    # Bring it to rest: online, nobody there.
    scene.on("TransactionEvent", {})
    scene.run(for_s=30.0)
    if not scene.station.online:
        scene.connect()
    for what in ("clear", "tag", "stop", "unplug"):
        try:
            act(scene, what)
        except Refused:
            continue
    scene.run(for_s=300.0)

    assert not [
        one for one in scene.effects if isinstance(one, Dropped) and one.kind == "TransactionEvent"
    ]
    told: dict[str, list[tuple[int, str]]] = {}
    for one in scene.log:
        if one.action == "TransactionEvent":
            steps = told.setdefault(one["transactionInfo"]["transactionId"], [])
            if not steps or steps[-1][0] != one["seqNo"]:
                steps.append((one["seqNo"], one["eventType"]))
    for steps in told.values():
        assert [number for number, _ in steps] == list(range(len(steps)))
        assert [kind for _, kind in steps].count("Ended") <= 1
    running = sum(one.visit is not None for one in scene.station.connectors)
    ended = sum(steps[-1][1] == "Ended" for steps in told.values())
    assert ended == len(told) - running
    opened = [one for one in scene.effects if isinstance(one, TransactionOpened)]
    closed = [one for one in scene.effects if isinstance(one, TransactionClosed)]
    assert len(opened) == len(told)
    assert len(closed) == ended
    for done in closed:
        assert done.energy_wh == pytest.approx(done.integral_wh, abs=1.0)
    if running == 0:
        return
    connector = scene.station.connectors[0]
    assert connector.plugged or connector.authorized_tag or connector.transaction
