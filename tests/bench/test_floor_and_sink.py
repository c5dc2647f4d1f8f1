"""The floor and the sink do what a station and a CSMS do, only less."""

from __future__ import annotations

import json
import time

import pytest
from websockets.sync.client import connect

from bench.children import Child, ChildFailed, python
from bench.sink import STEADY_S, LoggedCall
from simfleet.ocpp.v16 import V16

PAYLOADS = {
    "BootNotification": {"chargePointVendor": "V", "chargePointModel": "M"},
    "Heartbeat": {},
    "Authorize": {"idTag": "0123456789ABCD"},
    "StatusNotification": {"connectorId": 0, "status": "Available", "errorCode": "NoError"},
    "StartTransaction": {
        "connectorId": 1,
        "idTag": "0123456789ABCD",
        "meterStart": 0,
        "timestamp": "2026-01-01T00:00:00Z",
    },
    "MeterValues": {
        "connectorId": 1,
        "transactionId": 1,
        "meterValue": [
            {"timestamp": "2026-01-01T00:00:01Z", "sampledValue": [{"value": "1"}]},
        ],
    },
    "StopTransaction": {
        "transactionId": 1,
        "meterStop": 2,
        "timestamp": "2026-01-01T00:00:02Z",
    },
}


def test_the_sink_answers_everything_as_the_schemas_want_it() -> None:
    began_s = time.monotonic()
    with Child(python("bench.sink", "--log-calls")) as sink:
        url = f"ws://127.0.0.1:{sink.hear()['port']}/SIM-1"
        with connect(url, subprotocols=["ocpp1.6"], compression=None) as link:  # type: ignore[list-item]
            for action, payload in PAYLOADS.items():
                link.send(json.dumps([2, "x", action, payload]))
                kind, id_, answer = json.loads(link.recv(5))
                assert (kind, id_) == (3, "x")
                V16.actions[action].decode_response(json.dumps(answer).encode())
        counted = sink.ask()
        assert counted["answered"] == 7
        assert counted["by_action"]["MeterValues"] == 1
        log = [LoggedCall(*call) for call in sink.ask("calls")["calls"]]
        assert [call.action for call in log] == list(PAYLOADS)
        assert {call.charger for call in log} == {"SIM-1"}
        assert [call.stated for call in log if call.stated] == ["2026-01-01T00:00:01Z"]
        assert all(call.received_s <= call.writing_s <= call.written_s for call in log)
        assert began_s < log[0].received_s < log[-1].written_s < time.monotonic()


def test_the_bare_reader_says_when_it_sent_and_read() -> None:
    with Child(python("bench.sink", "--log-calls", "--late", "steady")) as sink:
        target = f"ws://127.0.0.1:{sink.hear()['port']}"
        with Child(python("bench.probe", "--target", target)) as probe:
            probe.hear()
            while len(probed := probe.ask()["calls"]) < 3:
                time.sleep(0.05)
        log = {call[1]: LoggedCall(*call) for call in sink.ask("calls")["calls"]}
    for id_, sent_s, read_s in probed:
        call = log[id_]
        assert sent_s < call.received_s < call.writing_s < read_s
        assert call.written_s - call.received_s >= STEADY_S


def test_the_floor_pumps_and_says_what_it_costs() -> None:
    with Child(python("bench.sink")) as sink:
        target = f"ws://127.0.0.1:{sink.hear()['port']}"
        arguments = ("--target", target, "--chargers", "5", "--lasts-s", "0.2", "--warms-up-s", "0")
        with Child(python("bench.floor", *arguments)) as floor:
            assert floor.hear()["connect_s"] > 0
            found = floor.hear()
        assert found["round_trips"] > 0
        assert 1 < found["cpu_us"] < 10_000
        assert sink.ask()["by_action"]["MeterValues"] >= found["round_trips"]


def test_a_child_that_dies_is_an_error_and_not_a_wait() -> None:
    with (
        Child(python("bench.floor", "--target", "ws://127.0.0.1:1"), stderr=-3) as floor,
        pytest.raises(ChildFailed, match="ended"),
    ):
        floor.hear()


def test_a_frozen_child_goes_on_where_it_was() -> None:
    with Child(python("bench.sink")) as sink:
        sink.hear()
        sink.freeze()
        with pytest.raises(ChildFailed, match="said nothing for 0"):
            sink.hear(timeout_s=0.1)
        sink.thaw()
        assert sink.ask()["answered"] == 0
        assert sink.cpu_s() > 0
        assert sink.rss_bytes() > 1_000_000
