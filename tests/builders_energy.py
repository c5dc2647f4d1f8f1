"""Charging profiles of OCPP 2.x as a CSMS sends them, and vehicles that give energy back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from builders_station import EPOCH_S
from builders_station2 import Scene2, samples_of
from simfleet.station.vehicle import VehicleSpec

BIG_VAN: Final = VehicleSpec("big van", 4_000_000, 11_000, 100_000)
"""Takes 11 kW for days."""
GIVING_VAN: Final = VehicleSpec(
    "giving van", 100_000, 11_000, 100_000, max_discharge_w=10_000, least_soc=0.2
)
"""Takes 11 kW and gives 10."""
TALKING_VAN: Final = VehicleSpec("talking van", 4_000_000, 11_000, 100_000, iso15118=True)

READINGS: Final = ",".join(
    (
        "Energy.Active.Import.Register",
        "Energy.Active.Export.Register",
        "Power.Active.Import",
        "Power.Active.Export",
        "Current.Import",
    )
)


def moment(after_s: float) -> str:
    """So long after the epoch, as OCPP writes it."""
    return datetime.fromtimestamp(EPOCH_S + after_s, UTC).isoformat().replace("+00:00", "Z")


def a_schedule(
    *periods: tuple[int, float] | dict[str, Any],
    schedule_id: int = 1,
    unit: str = "W",
    start_s: float | None = 0.0,
    duration: int | None = None,
) -> dict[str, Any]:
    """A ChargingSchedule; a period is (start, limit) or its fields beside startPeriod 0."""
    schedule: dict[str, Any] = {
        "id": schedule_id,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": one[0], "limit": one[1]}
            if isinstance(one, tuple)
            else {"startPeriod": 0} | one
            for one in periods
        ],
    }
    if start_s is not None:
        schedule["startSchedule"] = moment(start_s)
    if duration is not None:
        schedule["duration"] = duration
    return schedule


def a_profile(
    *periods: tuple[int, float] | dict[str, Any],
    profile_id: int = 1,
    purpose: str = "TxDefaultProfile",
    kind: str = "Absolute",
    level: int = 0,
    unit: str = "W",
    start_s: float | None = 0.0,
    duration: int | None = None,
    schedules: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A ChargingProfile of one schedule; `more` are its other fields, in camelCase."""
    if kind in ("Relative", "Dynamic"):
        start_s = None
    made = a_schedule(*periods, unit=unit, start_s=start_s, duration=duration)
    return {
        "id": profile_id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedules or [made],
        **more,
    }


class EnergyScene(Scene2):
    """A station whose vehicle takes 11 kW for days."""

    def __init__(self, *, vehicle: VehicleSpec = BIG_VAN, **options: Any) -> None:
        configuration = {"MeterValuesSampledData": READINGS, "MeterValueSampleInterval": 0}
        configuration |= options.pop("configuration", {})
        boots = options.pop("boots", True)
        super().__init__(vehicle=vehicle, configuration=configuration, **options)
        if boots:
            self.boot()

    def set(self, profile: dict[str, Any], *, evse: int = 0) -> str:
        """SetChargingProfile: Accepted, or the reason code of the refusal."""
        answer = self.call("SetChargingProfile", evseId=evse, chargingProfile=profile)
        if answer.status == "Accepted":
            return "Accepted"
        return str(answer.payload["statusInfo"]["reasonCode"])

    def readings(self, connector_id: int = 1) -> dict[str, float]:
        """What the meter shows now, in a triggered event of the transaction."""
        self.mark()
        self.call("TriggerMessage", requestedMessage="TransactionEvent", evse={"id": connector_id})
        return samples_of(self.events()[-1]["meterValue"][0])

    def power(self, connector_id: int = 1) -> float:
        """The power drawn now; less than 0: given back."""
        shown = self.readings(connector_id)
        return shown["Power.Active.Import"] - shown["Power.Active.Export"]
