"""The keys behind the device model itself: how much fits in a message, monitoring, network
profiles, and the password as 2.x has it.
"""

from __future__ import annotations

from typing import Final

from simfleet.station.configuration_keys import Key

ITEMS_MAX: Final = 50
BYTES_MAX: Final = 60_000
WAIT_MINIMUM: Final = "OCPPCommCtrlr.RetryBackOffWaitMinimum"
RANDOM_RANGE: Final = "OCPPCommCtrlr.RetryBackOffRandomRange"
REPEAT_TIMES: Final = "OCPPCommCtrlr.RetryBackOffRepeatTimes"
VALUE_CHARS_MAX: Final = 1000
"""Of a value that is set; 2500 of one that is reported."""


def _fixed(name: str, default: int) -> Key:
    return Key(name=name, type="int", default=str(default), low=1, readonly=True)


def _limits(component: str, action: str) -> tuple[Key, Key]:
    return (
        _fixed(f"{component}.ItemsPerMessage[{action}]", ITEMS_MAX),
        _fixed(f"{component}.BytesPerMessage[{action}]", BYTES_MAX),
    )


DEVICE_KEYS: Final[tuple[Key, ...]] = (
    *_limits("DeviceDataCtrlr", "GetReport"),
    *_limits("DeviceDataCtrlr", "GetVariables"),
    *_limits("DeviceDataCtrlr", "SetVariables"),
    *_limits("MonitoringCtrlr", "SetVariableMonitoring"),
    *_limits("MonitoringCtrlr", "ClearVariableMonitoring"),
    _fixed("DeviceDataCtrlr.ConfigurationValueSize", VALUE_CHARS_MAX),
    _fixed("DeviceDataCtrlr.ReportingValueSize", 2500),
    Key(name="MonitoringCtrlr.Enabled", type="bool", default="true"),
    # Events that happen while the CSMS cannot be told are kept if they are at least this severe.
    Key(name="MonitoringCtrlr.OfflineQueuingSeverity", type="int", default="5", high=9),
    Key(
        name="OCPPCommCtrlr.NetworkConfigurationPriority",
        type="csv",
        default="1",
        members=frozenset({"1", "2", "3"}),
        reboot=True,
    ),
    Key(
        name="OCPPCommCtrlr.NetworkProfileConnectionAttempts",
        type="int",
        default="3",
        low=1,
        high=100,
    ),
    # How to come back after a lost link (part 4, 5.3), see `fleet.backoff`.
    Key(name=WAIT_MINIMUM, type="int", default="1", high=3600, unit="s"),
    Key(name=RANDOM_RANGE, type="int", default="5", high=3600, unit="s"),
    Key(name=REPEAT_TIMES, type="int", default="3", high=10),
    # The hexadecimal form of a text here, of bytes in 1.6.
    Key(
        name="AuthorizationKey",
        type="str",
        default="",
        pattern=r"(?:[0-9A-Fa-f]{2}){16,40}",
        accepts="a password of 16 to 40 characters",
        writeonly=True,
    ),
)
