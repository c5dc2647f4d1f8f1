"""The examiner itself: a faultless charger passes, and each fault is named."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from end_to_end.peer_log import histories
from end_to_end.semantic_check import ILLEGAL_CHANGES, Expected, examine

ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
TAG = "0123456789ABCD"
USUAL = Expected()
BEGAN_S = 1_790_000_000.0


def time_of(at_s: float) -> str:
    return datetime.fromtimestamp(BEGAN_S + at_s, UTC).isoformat().replace("+00:00", "Z")


class Journal:
    """Writes the log of a conversation, second by second."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.connection = 0
        self.at_s = 0.0
        self._ids = itertools.count(1)

    def note(self, event: str, **fields: object) -> None:
        self.entries.append(
            {
                "at_s": BEGAN_S + self.at_s,
                "event": event,
                "identity": "SIM-1",
                "connection": self.connection,
                **fields,
            }
        )

    def opened(self, subprotocol: str | None = "ocpp1.6") -> None:
        self.connection += 1
        self.note("opened", subprotocol=subprotocol)

    def closed(self) -> None:
        self.note("closed", code=1006)

    def call(
        self, action: str, payload: dict[str, Any], answer: object = None, *, id_: str = ""
    ) -> str:
        """A CALL of the station, answered `{}` at once; `answer="none"` leaves it open."""
        self.at_s += 0.001
        id_ = id_ or f"s-{next(self._ids)}"
        self.note("received", frame=[2, id_, action, payload])
        if answer != "none":
            self.note("sent", frame=[3, id_, answer or {}])
        return id_

    def command(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        id_ = f"c-{next(self._ids)}"
        self.note("sent", frame=[2, id_, action, payload])
        self.note("received", frame=[3, id_, answer])

    def boot(self, status: str = "Accepted") -> None:
        answer = {"status": status, "interval": 300, "currentTime": time_of(self.at_s)}
        self.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}, answer)

    def status(self, status: str, connector: int = 1) -> None:
        payload = {"connectorId": connector, "status": status, "errorCode": "NoError"}
        self.call("StatusNotification", payload)

    def authorize(self, status: str = "Accepted") -> None:
        self.call("Authorize", {"idTag": TAG}, {"idTagInfo": {"status": status}})

    def start(
        self, id_: int = 7, *, at_s: float = 10.0, wh: int = 1000, answer: object = ""
    ) -> None:
        payload = {
            "connectorId": 1,
            "idTag": TAG,
            "meterStart": wh,
            "timestamp": time_of(at_s),
        }
        self.call("StartTransaction", payload, answer or {"transactionId": id_, **ACCEPTED})

    def sample(self, wh: float, *, at_s: float, id_: int | None = 7, connector: int = 1) -> None:
        register = {"value": str(wh), "unit": "Wh", "context": "Sample.Periodic"}
        payload: dict[str, Any] = {
            "connectorId": connector,
            "meterValue": [{"timestamp": time_of(at_s), "sampledValue": [register]}],
        }
        self.call("MeterValues", payload if id_ is None else payload | {"transactionId": id_})

    def stop(
        self, id_: int = 7, *, at_s: float = 35.0, wh: int = 1060, answer: object = ""
    ) -> None:
        payload = {"transactionId": id_, "meterStop": wh, "timestamp": time_of(at_s)}
        self.call("StopTransaction", payload, answer or ACCEPTED)

    def booted(self) -> Journal:
        self.opened()
        self.boot()
        self.status("Available", 0)
        self.status("Available")
        return self

    def charging(self) -> Journal:
        self.booted()
        self.status("Preparing")
        self.authorize()
        self.start()
        self.status("Charging")
        self.sample(1020, at_s=20)
        self.sample(1040.5, at_s=30)
        return self


def complaints(log: Journal, expected: Expected = USUAL) -> list[str]:
    return examine(histories(log.entries), expected)


def test_a_faultless_charger_gets_no_complaint() -> None:
    log = Journal().charging()
    log.stop()
    log.status("Finishing")
    log.status("Available")
    log.call("Heartbeat", {}, {"currentTime": time_of(40)})
    assert complaints(log, Expected(meter_interval_s=10)) == []


def test_the_matrix_of_section_4_9_has_19_empty_cells() -> None:
    assert len(ILLEGAL_CHANGES) == 19


def only(log: Journal, expected: Expected = USUAL) -> str:
    """The one complaint about this log."""
    (complaint,) = complaints(log, expected)
    return complaint


def test_anything_before_the_boot_is_noticed() -> None:
    log = Journal()
    log.opened()
    log.status("Available", 0)
    log.boot()
    log.status("Available", 0)
    log.status("Available", 1)
    assert only(log) == "SIM-1: the first message is StatusNotification, not BootNotification"


def test_a_status_while_pending_is_noticed() -> None:
    log = Journal()
    log.opened()
    log.boot("Pending")
    log.status("Available", 0)
    assert "StatusNotification was sent before BootNotification was accepted" in only(log)


def test_what_was_triggered_may_be_sent_while_pending() -> None:
    log = Journal()
    log.opened()
    log.boot("Pending")
    log.command("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Accepted"})
    log.call("Heartbeat", {}, {"currentTime": time_of(1)})
    assert complaints(log) == []


def test_a_connector_that_is_not_reported_before_charging_is_noticed() -> None:
    log = Journal()
    log.opened()
    log.boot()
    log.status("Available", 0)
    log.authorize()
    assert "Authorize came before the status of connector 1" in only(log)


def test_a_connector_that_is_never_reported_is_noticed_after_a_while() -> None:
    log = Journal()
    log.opened()
    log.boot()
    log.status("Available", 1)
    assert complaints(log) == []
    log.at_s += 6
    log.call("Heartbeat", {}, {"currentTime": time_of(6)})
    assert "no status of connector 0 after a boot" in only(log)


@pytest.mark.parametrize(("before", "after"), sorted(ILLEGAL_CHANGES))
def test_an_illegal_change_of_status_is_noticed(before: str, after: str) -> None:
    log = Journal()
    log.opened()
    log.boot()
    log.status("Available", 0)
    log.status(before)
    log.status(after)
    assert only(log) == f"SIM-1: connector 1 went from {before} to {after}"


def test_a_status_may_have_changed_unseen_while_offline() -> None:
    log = Journal().booted()
    log.closed()
    log.opened()
    log.status("Finishing")
    assert complaints(log) == []


def test_connector_0_cannot_charge() -> None:
    log = Journal().booted()
    log.status("Charging", 0)
    assert "connector 0 cannot be Charging" in only(log)


def test_a_connector_that_does_not_exist_is_noticed() -> None:
    log = Journal().booted()
    log.status("Available", 2)
    assert "connector 2, which does not exist" in only(log)
    assert complaints(log, Expected(connectors=2)) == []


def test_a_start_without_authorization_is_noticed() -> None:
    log = Journal().booted()
    log.start()
    log.stop()
    assert "neither authorized nor started remotely" in only(log)


def test_a_refused_tag_does_not_authorize_a_start() -> None:
    log = Journal().booted()
    log.authorize("Blocked")
    log.start()
    log.stop()
    assert "neither authorized nor started remotely" in only(log)


def test_a_remote_start_needs_no_authorize() -> None:
    log = Journal().booted()
    log.command("RemoteStartTransaction", {"idTag": TAG}, {"status": "Accepted"})
    log.start()
    log.stop()
    assert complaints(log) == []


def test_a_transaction_that_is_never_stopped_is_noticed() -> None:
    log = Journal().charging()
    assert "was never stopped" in only(log)
    assert complaints(log, Expected(all_stopped=False)) == []


def test_a_transaction_stopped_twice_is_noticed() -> None:
    log = Journal().charging()
    log.stop()
    log.stop()
    assert "StopTransaction was sent again although it had been answered" in only(log)


def test_a_second_stop_with_other_contents_is_noticed() -> None:
    log = Journal().charging()
    log.stop()
    log.stop(wh=1061)
    assert "a second, different StopTransaction" in only(log)


def test_a_stop_may_be_repeated_when_its_answer_was_lost_with_the_link() -> None:
    log = Journal().charging()
    log.stop(answer="none")
    log.closed()
    log.opened()
    log.stop()
    assert complaints(log) == []


def test_a_stop_may_be_repeated_when_the_link_broke_right_after_the_answer() -> None:
    log = Journal().charging()
    log.stop()
    log.closed()
    log.opened()
    log.stop()
    assert complaints(log) == []


def test_a_stop_that_comes_again_with_each_connection_is_noticed() -> None:
    log = Journal().charging()
    log.stop()
    log.at_s += 5
    log.closed()
    log.opened()
    log.stop()
    assert "was sent again after it had long been answered" in only(log)


def test_a_start_that_was_sent_again_is_one_transaction() -> None:
    log = Journal().booted()
    log.authorize()
    log.start(answer="none")
    log.note("started", mode="normal")  # the CSMS was killed, so it logged no close
    log.opened()
    log.start()
    log.stop()
    assert complaints(log) == []


def test_overlapping_transactions_on_a_connector_are_noticed() -> None:
    log = Journal().charging()
    log.start(8, at_s=31, wh=1050)
    log.stop(7)
    log.stop(8)
    assert "transaction 8 on connector 1 began while transaction 7" in only(log)


def test_meter_values_of_another_transaction_are_noticed() -> None:
    log = Journal().charging()
    log.sample(1060, at_s=40, id_=8)
    log.stop(at_s=40)
    assert "MeterValues for unknown transaction 8" in only(log)


def test_meter_values_without_their_transaction_are_noticed() -> None:
    log = Journal().charging()
    log.sample(1060, at_s=40, id_=None)
    log.stop(at_s=40)
    assert "lacks the transactionId" in only(log)


def test_meter_values_after_the_stop_are_noticed() -> None:
    log = Journal().charging()
    log.stop(at_s=40)
    log.sample(1060, at_s=40)
    assert "MeterValues after StopTransaction" in only(log)


def test_meter_values_of_another_connector_are_noticed() -> None:
    log = Journal().charging()
    log.sample(1060, at_s=40, connector=2)
    log.stop(at_s=40)
    assert "MeterValues of connector 2" in only(log)


def test_a_gap_between_samples_is_noticed() -> None:
    log = Journal().charging()
    log.sample(1060, at_s=40.2)
    log.stop(at_s=41, wh=1061)
    assert "samples 10.2 s apart, not 10 s" in only(log)


def test_a_first_sample_off_the_grid_is_noticed() -> None:
    log = Journal().booted()
    log.authorize()
    log.start()
    log.sample(1010, at_s=15)
    log.stop(at_s=16)
    assert "samples 5 s apart, not 10 s" in only(log, Expected(meter_interval_s=10))


def test_a_missing_last_sample_is_noticed() -> None:
    log = Journal().charging()
    log.stop(at_s=45)
    assert "the last sample is 15 s before the end" in only(log)


def test_a_register_that_goes_down_is_noticed() -> None:
    log = Journal().charging()
    log.sample(1030, at_s=40)
    log.stop(at_s=45)
    assert "the register of connector 1 fell from 1040.5 (a sample) to 1030.0" in only(log)


def test_a_register_that_starts_again_at_zero_is_noticed() -> None:
    log = Journal().charging()
    log.stop()
    log.authorize()
    log.start(8, at_s=50, wh=0)
    log.stop(8, at_s=55, wh=10)
    assert "fell from 1060.0 (meterStop) to 0.0 (meterStart" in only(log)


def test_a_meter_stop_below_the_last_sample_is_noticed() -> None:
    log = Journal().charging()
    log.stop(wh=1030)
    assert any("meterStop 1030.0 after a sample of 1040.5" in one for one in complaints(log))


def test_a_meter_stop_without_the_fraction_of_the_last_sample_is_fine() -> None:
    log = Journal().charging()
    log.stop(wh=1040)
    assert complaints(log) == []


def test_an_end_before_the_beginning_is_noticed() -> None:
    log = Journal().booted()
    log.authorize()
    log.start()
    log.stop(at_s=9, wh=1000)
    assert "it ended before it began" in only(log)


def test_a_message_id_used_twice_on_a_connection_is_noticed() -> None:
    log = Journal().booted()
    for _ in range(2):
        log.call("Heartbeat", {}, {"currentTime": time_of(1)}, id_="same")
    assert "message id 'same' was used 2 times" in only(log)


def test_a_message_id_that_is_too_long_is_noticed() -> None:
    log = Journal().booted()
    log.call("Heartbeat", {}, {"currentTime": time_of(1)}, id_="i" * 37)
    assert "has 37 characters" in only(log)


def test_two_open_calls_are_noticed() -> None:
    log = Journal().booted()
    log.call("Heartbeat", {}, "none", id_="first")
    log.status("Available")
    assert "StatusNotification s-4 came while Heartbeat first was open" in only(log)


def test_a_call_after_a_timeout_is_fine() -> None:
    log = Journal().booted()
    log.call("Heartbeat", {}, "none")
    log.at_s += 30
    log.status("Available")
    assert complaints(log) == []


def test_a_refusal_is_noticed() -> None:
    log = Journal().booted()
    id_ = log.call("Heartbeat", {"surplus": 1}, "none")
    log.note("sent", frame=[4, id_, "FormatViolation", "", {}])
    assert "Heartbeat was refused with FormatViolation: {'surplus': 1}" in only(log)


def test_an_answer_to_nothing_is_noticed() -> None:
    log = Journal().booted()
    log.note("received", frame=[3, "nothing", {}])
    assert "which answers nothing" in only(log)


def test_a_command_without_an_answer_is_noticed() -> None:
    log = Journal().booted()
    log.note("unanswered", action="GetConfiguration")
    assert "GetConfiguration of the CSMS was never answered" in only(log)


def test_a_connection_without_the_subprotocol_is_noticed() -> None:
    log = Journal()
    log.opened(None)
    assert "connection 1 speaks None, not ocpp1.6" in only(log)
