"""Availability at three levels, whatever happens in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders_station2 import Scene2, versions
from simfleet.errors import Refused
from simfleet.station.memory import decode_kept, encode_kept, remember

EVSES = (1, 2)
PLACES: list[Any] = [
    {},
    *({"evse": {"id": n}} for n in EVSES),
    *({"evse": {"id": n, "connectorId": 1}} for n in EVSES),
]
changes = st.tuples(st.sampled_from(["Inoperative", "Operative"]), st.sampled_from(PLACES))
drivers = st.tuples(st.sampled_from(["plug", "tag", "unplug"]), st.sampled_from(EVSES))
steps = st.lists(st.one_of(changes, drivers, st.just(("wait", 0))), max_size=14)


def key_of(place: Any) -> tuple[int, ...]:
    evse = place.get("evse", {})
    return tuple(evse[name] for name in ("id", "connectorId") if name in evse)


@versions
@settings(max_examples=60, deadline=None)
@given(script=steps, stop_point=st.sampled_from(["EVConnected", "Authorized"]))
def test_a_connector_without_a_transaction_is_where_its_levels_say(
    version: str, script: list[Any], stop_point: str
) -> None:
    """G03, G04: out of service if the station, the EVSE or the connector is; a transaction first
    ends; and what is out is remembered.
    """
    scene = Scene2(
        version=version,
        connectors=2,
        configuration={"TxCtrlr.TxStopPoint": stop_point, "TxCtrlr.TxStartPoint": "Authorized"},
    )
    scene.boot()
    out: set[tuple[int, ...]] = set()
    for what, where in script:
        match what:
            case "Inoperative" | "Operative":
                (out.add if what == "Inoperative" else out.discard)(key_of(where))
                answer = scene.call("ChangeAvailability", operationalStatus=what, **where)
                assert answer.status in ("Accepted", "Scheduled")
            case "wait":
                scene.run(for_s=70)
            case _:
                drive(scene, what, where)
        scene.run(for_s=0)
        for connector in scene.station.connectors:
            levels = {(), (connector.id,), (connector.id, 1)}
            wanted_out = bool(out & levels)
            assert connector.inoperative is wanted_out
            if connector.visit is None and connector.transaction is None:
                assert (scene.statuses(connector.id)[-1] == "Unavailable") is wanted_out
    kept = decode_kept(encode_kept(remember(scene.station)))
    assert kept.inoperative is (() in out)
    assert {(n,) for n in kept.evses_inoperative} == {one for one in out if len(one) == 1}
    assert {(n, 1) for n in kept.connectors_inoperative} == {one for one in out if len(one) == 2}


def drive(scene: Scene2, what: str, evse_id: int) -> None:
    try:
        match what:
            case "plug":
                scene.plug_in(evse_id)
            case "tag":
                scene.present_tag(connector_id=evse_id)
            case "unplug":
                scene.unplug(evse_id)
    except Refused:
        return
