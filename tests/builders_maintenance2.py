"""Stations of 2.x whose errands lie in lists, and stations of 2.x that know of security: what
`MaintenanceScene` and `SecureScene` are for 1.6.

    scene = a_scene2(version)
    scene.update2("http://h/fw-2.0.0.bin")
    scene.got(b"firmware")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders_maintenance import FIRMWARE, URL, MaintenanceScene
from builders_security import SecureScene
from builders_station2 import Scene2

if TYPE_CHECKING:
    from builders_maintenance import Signer
    from builders_pki import Ca
    from builders_station import Answer


class MaintenanceScene2(Scene2, MaintenanceScene):  # type: ignore[misc]  # as Scene2 has it
    """See the module."""

    def update2(
        self,
        url: str = URL,
        *,
        request_id: int = 7,
        signer: Signer | None = None,
        signature: str | None = None,
        content: bytes = FIRMWARE,
        after_s: float = 0.0,
        install_after_s: float | None = None,
        **more: Any,
    ) -> Answer:
        firmware = {"location": url, "retrieveDateTime": self.at(after_s)}
        if install_after_s is not None:
            firmware["installDateTime"] = self.at(install_after_s)
        if signer is not None:
            firmware["signingCertificate"] = signer.pem
            firmware["signature"] = signer.sign(content) if signature is None else signature
        return self.call("UpdateFirmware", requestId=request_id, firmware=firmware, **more)

    def publishing_statuses(self) -> list[str]:
        return [one["status"] for one in self.sent("PublishFirmwareStatusNotification")]


class SecureScene2(Scene2, SecureScene):  # type: ignore[misc]  # the same
    """See the module. `ca` signs certificates; requests are made at once."""

    def trust2(self, ca: Ca | None = None, *, use: str = "CSMSRootCertificate") -> str:
        return self.trust(ca, use=use)

    def installed2(self, *uses: str) -> list[dict[str, Any]]:
        more: dict[str, Any] = {"certificateType": list(uses)} if uses else {}
        answer = self.call("GetInstalledCertificateIds", **more)
        found = answer.payload.get("certificateHashDataChain", [])
        assert (answer.status == "Accepted") == bool(found)
        return list(found)

    def security_events(self) -> list[str]:
        """The security events that the CSMS was told of since the mark."""
        return [one["type"] for one in self.sent("SecurityEventNotification")]


def a_scene2(version: str, *, simulated: bool = False, **scene: Any) -> MaintenanceScene2:
    """Booted, and nothing seen yet."""
    made = MaintenanceScene2(version=version, simulated=simulated, **scene)
    made.boot()
    made.mark()
    return made


def a_secure_scene2(version: str, **scene: Any) -> SecureScene2:
    """Booted, and looked at from here on."""
    made = SecureScene2(version=version, **scene)
    made.boot()
    made.mark()
    return made
