"""How a named charger says no: what its state forbids, each with a code of its own.

A value that could never be used is `Invalid` instead, see `charger_rules`.
"""

from __future__ import annotations

from simfleet.errors import Missing, Refused


class ChargerMissing(Missing):
    """No such charger, or it is another user's."""

    code = "CHARGER_NOT_FOUND"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"no charger is called {chargepoint_id!r}")
        self.chargepoint_id = chargepoint_id


class ChargerExists(Refused):
    """The identity is taken; a CSMS could not tell two chargers apart, whoever owns them."""

    code = "CHARGER_EXISTS"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"a charger called {chargepoint_id!r} exists already")
        self.chargepoint_id = chargepoint_id


class ChargerNotOff(Refused):
    """What is asked for can only be done to a charger that is off."""

    code = "CHARGER_NOT_OFF"

    def __init__(self) -> None:
        super().__init__("Charger must be turned off")


class ChargerOff(Refused):
    """What is asked for can only be done to a charger that is on."""

    code = "CHARGER_OFF"

    def __init__(self, identity: str) -> None:
        super().__init__(f"{identity} is turned off; set its mode to on, manual or autopilot first")


class ChargerOffline(Refused):
    """There is no connection to the CSMS, and without one this cannot be done."""

    code = "CHARGER_OFFLINE"


class ChargerRestarting(Refused):
    """The charger's task has crashed and is being started again."""

    code = "CHARGER_RESTARTING"

    def __init__(self, identity: str) -> None:
        super().__init__(f"{identity} is being restarted after an internal error; try again soon")


class AlreadyCharging(Refused):
    """A session runs on the connector, or is about to begin."""

    code = "ALREADY_CHARGING"


class NotCharging(Refused):
    """There is no session to stop."""

    code = "NOT_CHARGING"


class ConnectorFaulted(Refused):
    """A fault keeps the connector from charging."""

    code = "CONNECTOR_FAULTED"


class ConnectorUnavailable(Refused):
    """The connector is out of service."""

    code = "CONNECTOR_UNAVAILABLE"
