"""What a station is made of, as components of the device model: the station, its EVSEs with one
connector each, their meters, sensors and vehicles (2.0.1 part 2, physical components).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.station import firmware_state, nameplate
from simfleet.station.connector import NO_ERROR
from simfleet.station.device_model import Live, Place, Row
from simfleet.station.meter import whole_wh
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station

STATES: Final = ("Available", "Faulted", "Occupied", "Reserved", "Unavailable")
_SAME: Final = frozenset({Phase.AVAILABLE, Phase.RESERVED, Phase.UNAVAILABLE, Phase.FAULTED})


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _here(station: Station, place: Place) -> Connector:
    return station.connectors[place.evse_id - 1]


def _station_state(station: Station, _: Place, __: float) -> str:
    if station.error_code != NO_ERROR:
        return "Faulted"
    return "Unavailable" if station.withdrawn else "Available"


def _state(station: Station, place: Place, _: float) -> str:
    phase = _here(station, place).phase
    return phase.value if phase in _SAME else "Occupied"


def _station_problem(station: Station, _: Place, __: float) -> str:
    faulty = any(connector.error_code != NO_ERROR for connector in station.connectors)
    return _flag(station.error_code != NO_ERROR or faulty)


def _problem(station: Station, place: Place, _: float) -> str:
    return _flag(_here(station, place).error_code != NO_ERROR)


def _phases(station: Station, place: Place, _: float) -> str:
    outlet = station.spec.outlet(place.evse_id or 1)
    return "0" if outlet.kind == "DC" else str(outlet.phases)


def _station_phases(station: Station, _: Place, __: float) -> str:
    """Of the grid connection: a DC station has three all the same."""
    outlets = [station.spec.outlet(connector.id) for connector in station.connectors]
    return str(max(3 if outlet.kind == "DC" else outlet.phases for outlet in outlets))


def _connector_type(station: Station, place: Place, _: float) -> str:
    return nameplate.connector_type(station, _here(station, place))


def _offered_w(station: Station, place: Place, _: float) -> str:
    return _power(_here(station, place).reading().offered_w)


def _max_w(station: Station, place: Place, _: float) -> str:
    return _power(station.spec.outlet(place.evse_id).max_power_w)


def _power(power_w: float) -> str:
    return f"{power_w:.0f}"


def _of_station(attribute: str) -> Live:
    def live(station: Station, _: Place, __: float) -> str:
        return str(getattr(station.spec, attribute))

    return live


def _soc(reading: Reading) -> str | None:
    return None if reading.soc_percent is None else f"{reading.soc_percent:.1f}"


def _there(station: Station, place: Place, _: float) -> str:
    return _flag(_here(station, place).vehicle is not None)


def _locked(station: Station, place: Place, _: float) -> str:
    connector = _here(station, place)
    return _flag(connector.plugged and (connector.charging or connector.held is not None))


def _lock_problem(station: Station, place: Place, _: float) -> str:
    return _flag(_here(station, place).lock_fails)


def _serial(station: Station, _: Place, __: float) -> str:
    return nameplate.serial_number(station)


def _firmware(station: Station, _: Place, __: float) -> str:
    return firmware_state.version_of(station)


def _meter_serial(station: Station, place: Place, _: float) -> str | None:
    pattern = station.spec.meter_serial_number
    return nameplate.optional(pattern, station.identity, longest=nameplate.SERIAL_MAX)


def _evse(variable: str, **fields: Any) -> Row:
    return Row(component="EVSE", variable=variable, level="evse", **fields)


def _connector(variable: str, **fields: Any) -> Row:
    return Row(component="Connector", variable=variable, level="connector", **fields)


def _station(variable: str, **fields: Any) -> Row:
    return Row(component="ChargingStation", variable=variable, **fields)


_OPTIONS: Final[dict[str, Any]] = {"data_type": "OptionList", "values": STATES, "monitored": True}
_BOOLEAN: Final[dict[str, Any]] = {"data_type": "boolean"}
_WATCHED: Final[dict[str, Any]] = {"data_type": "boolean", "monitored": True}


def _measured(unit: str, **fields: Any) -> dict[str, Any]:
    return {
        "data_type": "decimal",
        "unit": unit,
        "monitored": True,
        "persistent": False,
        "low": 0.0,
        **fields,
    }


HARDWARE: Final[tuple[Row, ...]] = (
    _station("AvailabilityState", live=_station_state, persistent=False, **_OPTIONS),
    _station("Available", constant="true", **_BOOLEAN),
    _station("Problem", live=_station_problem, persistent=False, **_WATCHED),
    _station("SupplyPhases", live=_station_phases, data_type="integer"),
    _station("Model", live=_of_station("model")),
    _station("VendorName", live=_of_station("vendor")),
    _station("SerialNumber", live=_serial),
    _station("FirmwareVersion", live=_firmware, monitored=True),
    _evse("AvailabilityState", live=_state, persistent=False, **_OPTIONS),
    _evse("Available", constant="true", **_BOOLEAN),
    _evse("AllowReset", key="EVSE.AllowReset"),
    _evse("Problem", live=_problem, persistent=False, **_WATCHED),
    _evse("SupplyPhases", live=_phases, data_type="integer"),
    _evse(
        "Power",
        metered=lambda reading: _power(reading.power_w),
        target=_offered_w,
        max_set=_max_w,
        **_measured("W"),
    ),
    _evse(
        "ACCurrent",
        kind="AC",
        metered=lambda reading: f"{reading.current_a:.1f}",
        **_measured("A"),
    ),
    _evse(
        "ACVoltage",
        kind="AC",
        metered=lambda reading: f"{reading.voltage_v:.1f}",
        **_measured("V"),
    ),
    _evse(
        "DCCurrent",
        kind="DC",
        metered=lambda reading: f"{reading.current_a:.1f}",
        **_measured("A"),
    ),
    _evse(
        "DCVoltage",
        kind="DC",
        metered=lambda reading: f"{reading.voltage_v:.1f}",
        **_measured("V"),
    ),
    _connector("AvailabilityState", live=_state, persistent=False, **_OPTIONS),
    _connector("Available", constant="true", **_BOOLEAN),
    _connector("Problem", live=_problem, persistent=False, **_WATCHED),
    _connector("ConnectorType", live=_connector_type),
    _connector("SupplyPhases", live=_phases, data_type="integer"),
    Row(
        component="ConnectorPlugRetentionLock",
        variable="Active",
        level="connector",
        live=_locked,
        persistent=False,
        **_WATCHED,
    ),
    Row(
        component="ConnectorPlugRetentionLock",
        variable="Problem",
        level="connector",
        live=_lock_problem,
        persistent=False,
        **_WATCHED,
    ),
    Row(
        component="FiscalMetering",
        variable="EnergyImportRegister",
        level="evse",
        metered=lambda reading: str(whole_wh(reading.energy_wh)),
        **_measured("Wh", persistent=True),
    ),
    Row(component="FiscalMetering", variable="SerialNumber", level="evse", live=_meter_serial),
    Row(
        component="TemperatureSensor",
        variable="Temperature",
        level="evse",
        metered=lambda reading: f"{reading.temperature_c:.1f}",
        **_measured("Celsius", low=-40.0, high=120.0),
    ),
    Row(
        component="ConnectedEV",
        variable="Available",
        level="connector",
        live=_there,
        persistent=False,
        **_WATCHED,
    ),
    Row(
        component="ConnectedEV",
        variable="StateOfCharge",
        level="connector",
        kind="DC",
        metered=_soc,
        **_measured("Percent", high=100.0),
    ),
)
"""One row per variable."""
