"""Smart charging, commanded by a CSMS that is not ours: what is metered follows the limits."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from end_to_end.peer_flow import Flow, commanded, moment

if TYPE_CHECKING:
    from pathlib import Path

METERED = (
    "MeterValueSampleInterval: 1,"
    ' MeterValuesSampledData: "Power.Active.Import,Current.Import,Energy.Active.Import.Register"'
)


def profile(
    *limits: tuple[int, float],
    purpose: str = "TxProfile",
    unit: str = "W",
    kind: str = "Relative",
    profile_id: int = 1,
    level: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """A ChargingProfile in the package's spelling; limits are (start in s, limit)."""
    schedule = {
        "charging_rate_unit": unit,
        "charging_schedule_period": [{"start_period": s, "limit": limit} for s, limit in limits],
        **more.pop("schedule", {}),
    }
    return {
        "charging_profile_id": profile_id,
        "stack_level": level,
        "charging_profile_purpose": purpose,
        "charging_profile_kind": kind,
        "charging_schedule": schedule,
        **more,
    }


def limited(flow: Flow, connector_id: int, said: dict[str, Any]) -> str:
    return flow.status_of(
        "SetChargingProfile", connector_id=connector_id, cs_charging_profiles=said
    )


def power_w(flow: Flow, connector: int = 1) -> float:
    """What the next sample of a connector says.

    Less than 6 A in each of three phases, 4.1 kW, is nothing: no station may offer that.
    """
    flow.mark()
    values = flow.wait_for("MeterValues", connectorId=connector).payload["meterValue"][0]
    return _sampled(values, "Power.Active.Import")


def _sampled(values: dict[str, Any], measurand: str) -> float:
    (found,) = [
        float(sample["value"])
        for sample in values["sampledValue"]
        if sample.get("measurand") == measurand and "phase" not in sample
    ]
    return found


def schedule(flow: Flow, connector_id: int, unit: str = "W", duration: int = 600) -> dict[str, Any]:
    answer = flow.ask(
        "GetCompositeSchedule",
        connector_id=connector_id,
        duration=duration,
        charging_rate_unit=unit,
    )
    assert answer["status"] == "Accepted"
    assert answer["connector_id"] == connector_id
    found: dict[str, Any] = answer["charging_schedule"]
    assert found["charging_rate_unit"] == unit
    return found


def test_a_limit_is_metered_within_one_sample_and_gone_when_cleared(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        free_w = power_w(flow)
        assert free_w > 5000

        said = profile((0, 5600), transaction_id=transaction)
        assert limited(flow, 1, said) == "Accepted"
        assert 5000 < power_w(flow) <= 5610
        periods = schedule(flow, 1)["charging_schedule_period"]
        assert [(period["start_period"], period["limit"]) for period in periods] == [(0, 5600.0)]

        said = profile((0, 0), profile_id=2, level=1, unit="A", transaction_id=transaction)
        assert limited(flow, 1, said) == "Accepted"
        flow.wait_for_status("SuspendedEVSE")
        assert power_w(flow) == 0

        assert flow.status_of("ClearChargingProfile", id=2) == "Accepted"
        flow.wait_for_status("Charging")
        assert 5000 < power_w(flow) <= 5610
        assert flow.status_of("ClearChargingProfile", charging_profile_purpose="TxProfile")
        assert power_w(flow) == pytest.approx(free_w, rel=0.1)
        assert flow.status_of("ClearChargingProfile", id=2) == "Unknown"


def test_limits_change_by_themselves_at_their_boundaries(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        said = profile(
            (0, 8000),
            (3, 4500),
            (6, 6000),
            transaction_id=transaction,
            kind="Absolute",
            schedule={"start_schedule": moment()},
        )
        began_s = time.time()
        assert limited(flow, 1, said) == "Accepted"
        flow.mark()
        while time.time() < began_s + 8.5:
            time.sleep(0.1)
        for sample in flow.came("MeterValues"):
            at_s = sample.at_s - began_s
            metered_w = _sampled(sample.payload["meterValue"][0], "Power.Active.Import")
            limit_w = 8000 if at_s < 3 else 4500 if at_s < 6 else 6000
            if all(abs(at_s - boundary_s) > 0.2 for boundary_s in (3, 6)):
                assert 0.85 * limit_w < metered_w <= limit_w + 10, (at_s, metered_w)
        registers = [
            _sampled(call.payload["meterValue"][0], "Energy.Active.Import.Register")
            for call in flow.came("MeterValues")
        ]
        assert all(before <= after for before, after in pairwise(registers))
        assert 8 <= registers[-1] - registers[0] <= 17  # 8, 4.5 and 6 kW for 8 s: 14 Wh


def test_defaults_stack_and_a_profile_of_the_transaction_goes_first(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        recurring: dict[str, Any] = {
            "recurrency_kind": "Daily",
            "schedule": {"start_schedule": moment(-7200)},
        }
        low = profile((0, 4500), purpose="TxDefaultProfile", kind="Recurring", **recurring)
        assert limited(flow, 0, low) == "Accepted"
        assert 4000 < power_w(flow) <= 4510
        high = profile(
            (0, 6000),
            purpose="TxDefaultProfile",
            profile_id=2,
            level=1,
            kind="Absolute",
            valid_from=moment(-60),
            valid_to=moment(3),
            schedule={"start_schedule": moment(-60)},
        )
        assert limited(flow, 1, high) == "Accepted"
        assert 5300 < power_w(flow) <= 6010
        own = profile((0, 8000), profile_id=3, transaction_id=transaction)
        assert limited(flow, 1, own) == "Accepted"
        assert 7200 < power_w(flow) <= 8010
        assert flow.status_of("ClearChargingProfile", id=3) == "Accepted"
        time.sleep(2.5)  # the higher default is not valid any more
        assert 4000 < power_w(flow) <= 4510


def test_the_limit_of_the_station_is_shared_by_its_connectors(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED, connectors=2) as flow:
        for connector in (1, 2):
            flow.wait_for("StartTransaction", connectorId=connector)
        whole = profile((0, 9000), purpose="ChargePointMaxProfile", kind="Absolute")
        assert limited(flow, 1, whole) == "Rejected"
        assert limited(flow, 0, whole) == "Accepted"
        flow.mark()
        time.sleep(1.2)
        together_w = power_w(flow, 1) + power_w(flow, 2)
        assert 7000 < together_w <= 9020
        assert schedule(flow, 0, "W")["charging_schedule_period"][-1]["limit"] == 9000
        amperes = schedule(flow, 0, "A")["charging_schedule_period"][-1]["limit"]
        assert 12 <= amperes <= 14  # 9 kW on three phases of 230 V


def test_what_breaks_the_rules_is_rejected(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        for connector, said in (
            (0, profile((0, 6), transaction_id=transaction)),
            (1, profile((0, 6), transaction_id=transaction + 50)),
            (2, profile((0, 6), purpose="TxDefaultProfile")),
            (1, profile((5, 6), transaction_id=transaction)),
            (1, profile((0, 6), level=1000, transaction_id=transaction)),
            (1, profile((0, 6), purpose="TxDefaultProfile", kind="Recurring")),
            (1, profile(*((n, 6) for n in range(200)), transaction_id=transaction)),
        ):
            assert limited(flow, connector, said) == "Rejected", said
        answer = flow.ask("GetCompositeSchedule", connector_id=7, duration=60)
        assert answer["status"] == "Rejected"
        assert power_w(flow) > 5000


def test_a_remote_start_brings_its_own_limit(tmp_path: Path) -> None:
    with commanded(tmp_path, configuration=METERED) as flow:
        first = flow.wait_for_start()
        flow.ask("RemoteStopTransaction", transaction_id=first)
        flow.wait_for_status("Available")
        wrong = profile((0, 3500), purpose="TxDefaultProfile")
        start = {"id_tag": "CAFE0001", "connector_id": 1}
        asked = flow.status_of("RemoteStartTransaction", charging_profile=wrong, **start)
        assert asked == "Rejected"
        right = profile((0, 5500))
        asked = flow.status_of("RemoteStartTransaction", charging_profile=right, **start)
        assert asked == "Accepted"
        flow.wait_for_start()
        flow.wait_for_status("Charging")
        assert 5000 < power_w(flow) <= 5510
