"""Updates and uploads in any order with drivers, resets, lost links and lost power: what was begun
ends, and the connectors end up in service exactly where the CSMS wants them to be.
"""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders_maintenance import MaintenanceScene, Signer
from simfleet.errors import Refused
from simfleet.station.events import FirmwareWillFail, PluggedIn, TokenPresented, Unplugged

SIGNER = Signer()
CONNECTORS = 2

commands = st.sampled_from(
    [
        ("update", {"after_s": 0.0}),
        ("update", {"after_s": 40.0, "retries": 1, "retryInterval": 5}),
        ("update_signed", {}),
        ("update_signed", {"after_s": 10.0, "install_after_s": 30.0}),
        ("update_signed", {"content": b"another file"}),
        ("get_diagnostics", {}),
        ("get_diagnostics", {"retries": 2, "retryInterval": 3}),
        ("get_log", {}),
        ("trigger", {"message": "FirmwareStatusNotification"}),
        ("trigger", {"message": "LogStatusNotification", "extended": True}),
        ("got", {}),
        ("not_got", {}),
        ("put", {}),
        ("not_put", {}),
    ]
)
events = st.builds(
    lambda kind, connector_id: kind(connector_id),
    st.sampled_from([PluggedIn, Unplugged, TokenPresented]),
    st.integers(1, CONNECTORS),
)
steps = st.one_of(
    st.tuples(st.just("command"), commands),
    st.tuples(st.just("event"), events),
    st.tuples(st.just("run"), st.sampled_from([0.5, 3.0, 12.0, 60.0])),
    st.tuples(st.just("reset"), st.sampled_from(["Soft", "Hard"])),
    st.tuples(st.just("available"), st.tuples(st.integers(0, CONNECTORS), st.booleans())),
    st.tuples(st.just("power"), st.sampled_from([1.0, 50.0])),
    st.tuples(st.just("fail"), st.sampled_from(["DownloadFailed", "InstallationFailed"])),
    st.tuples(st.just("link"), st.none()),
)


class Story:
    """A scene, and what the CSMS wants of its connectors."""

    def __init__(self) -> None:
        self.scene = MaintenanceScene(
            connectors=CONNECTORS, configuration={"ConnectionTimeOut": 20}, check_statuses=False
        )
        self.scene.boot()
        self.operative = dict.fromkeys(range(1, CONNECTORS + 1), True)

    def take(self, what: str, how: Any) -> None:
        scene = self.scene
        if scene.station.dark or not scene.station.online:
            scene.run(for_s=6.0)
            if not scene.station.online:
                scene.connect()
        match what:
            case "command":
                self._command(*how)
            case "event":
                with contextlib.suppress(Refused):
                    scene.tell(how)
            case "run":
                scene.run(for_s=how)
            case "reset":
                scene.call("Reset", type=how)
            case "available":
                self._available(*how)
            case "power":
                scene.cycle_power(for_s=how)
            case "fail":
                scene.tell(FirmwareWillFail(how))
            case "link":
                scene.disconnect()
                scene.run(for_s=2.0)
                if not scene.station.dark and not scene.station.online:
                    scene.connect()

    def _command(self, name: str, arguments: dict[str, Any]) -> None:
        scene = self.scene
        if (name in ("got", "not_got") and not scene.downloads) or (
            name in ("put", "not_put") and not scene.uploads
        ):
            return
        if name == "update_signed":
            scene.update_signed(SIGNER, **arguments)
        else:
            getattr(scene, name)(**arguments)

    def _available(self, connector_id: int, operative: bool) -> None:
        kind = "Operative" if operative else "Inoperative"
        self.scene.call("ChangeAvailability", connectorId=connector_id, type=kind)
        for known in self.operative:
            if connector_id in (0, known):
                self.operative[known] = operative

    def come_to_rest(self) -> None:
        """Every errand is done, every driver leaves."""
        scene = self.scene
        for _ in range(12):
            self.take("run", 20.0)
            while scene.downloads:
                scene.got()
            while scene.uploads:
                scene.put()
            for connector in scene.station.connectors:
                if connector.plugged:
                    self.take("event", Unplugged(connector.id))
        self.take("run", 20.0)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_what_was_begun_ends_and_availability_is_as_the_csms_wants_it(
    story: list[tuple[str, Any]],
) -> None:
    told = Story()
    for what, how in story:
        told.take(what, how)
    told.come_to_rest()
    station = told.scene.station
    assert station.firmware is None or station.firmware.update is None
    assert station.logs is None or station.logs.sending == {}
    assert not told.scene.uploads
    assert not told.scene.downloads
    found = {one.id: not one.inoperative for one in station.connectors}
    assert found == told.operative
    phases = {one.id: one.phase.value for one in station.connectors}
    assert phases == {
        number: "Available" if operative else "Unavailable"
        for number, operative in told.operative.items()
    }
