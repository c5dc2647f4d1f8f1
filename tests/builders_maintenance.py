"""A charging station on a table whose errands lie in two lists until the test does them.

scene = a_scene()
scene.update("http://h/fw-2.0.0.bin")
scene.got(b"firmware")
scene.run(for_s=60)
assert scene.firmware_statuses() == [...]
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from builders_station import EPOCH_S, Scene
from simfleet.station.effects import CancelErrand, Download, Upload
from simfleet.station.events import ErrandDone

if TYPE_CHECKING:
    from builders_station import Answer
    from simfleet.station.effects import Effect

NOW: Final = datetime.fromtimestamp(EPOCH_S, UTC)
FIRMWARE: Final = b"firmware" * 100
URL: Final = "http://files.example/firmware-2.4.1.bin"
LOGS: Final = "ftp://me:secret@files.example/logs/"


class MaintenanceScene(Scene):
    """See the module. `uploads` and `downloads` are the errands that are under way."""

    def __init__(self, *, simulated: bool = False, **scene: Any) -> None:
        super().__init__(**scene)
        self.uploads: list[Upload] = []
        self.downloads: list[Download] = []
        self.cancelled: list[int] = []
        if simulated:
            self.station.spec = msgspec.structs.replace(self.station.spec, transfers="simulated")

    def _carry_out(self, effect: Effect) -> None:
        super()._carry_out(effect)
        match effect:
            case Upload():
                self.uploads.append(effect)
            case Download():
                self.downloads.append(effect)
            case CancelErrand(errand):
                self.cancelled.append(errand)
                self.uploads = [one for one in self.uploads if one.errand != errand]
                self.downloads = [one for one in self.downloads if one.errand != errand]

    # ── firmware ──

    def update(self, url: str = URL, *, after_s: float = 0.0, **more: Any) -> Answer:
        return self.call("UpdateFirmware", location=url, retrieveDate=self.at(after_s), **more)

    def update_signed(
        self,
        signer: Signer,
        *,
        url: str = URL,
        request_id: int = 7,
        after_s: float = 0.0,
        install_after_s: float | None = None,
        content: bytes = FIRMWARE,
        signature: str | None = None,
        **more: Any,
    ) -> Answer:
        firmware = {
            "location": url,
            "retrieveDateTime": self.at(after_s),
            "signingCertificate": signer.pem,
            "signature": signer.sign(content) if signature is None else signature,
        }
        if install_after_s is not None:
            firmware["installDateTime"] = self.at(install_after_s)
        return self.call("SignedUpdateFirmware", requestId=request_id, firmware=firmware, **more)

    def at(self, after_s: float) -> str:
        moment = NOW + timedelta(seconds=self.wall_s + after_s - EPOCH_S)
        return moment.isoformat().replace("+00:00", "Z")

    def got(self, content: bytes = FIRMWARE) -> None:
        """The download under way succeeds."""
        self.tell(ErrandDone(self.downloads.pop(0).errand, True, content=content))

    def not_got(self, kind: str = "http_status") -> None:
        self.tell(ErrandDone(self.downloads.pop(0).errand, False, "404 Not Found", kind=kind))

    def firmware_statuses(self) -> list[str]:
        sent = self.sent("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
        return [one["status"] for one in sent]

    def version(self) -> str:
        """What the last BootNotification said."""
        boots = [one for one in self.log if one.action == "BootNotification"]
        return str(boots[-1]["firmwareVersion"])

    # ── logs ──

    def get_diagnostics(self, url: str = LOGS, **more: Any) -> str | None:
        return self.call("GetDiagnostics", location=url, **more).payload.get("fileName")

    def get_log(
        self,
        url: str = LOGS,
        *,
        log_type: str = "DiagnosticsLog",
        request_id: int = 9,
        oldest: str | None = None,
        latest: str | None = None,
        **more: Any,
    ) -> Answer:
        log = {"remoteLocation": url}
        if oldest is not None:
            log["oldestTimestamp"] = oldest
        if latest is not None:
            log["latestTimestamp"] = latest
        return self.call("GetLog", logType=log_type, requestId=request_id, log=log, **more)

    def put(self) -> str:
        """The upload under way succeeds; returns the file."""
        upload = self.uploads.pop(0)
        self.tell(ErrandDone(upload.errand, True))
        return upload.content.decode()

    def not_put(self, kind: str = "tcp") -> None:
        self.tell(ErrandDone(self.uploads.pop(0).errand, False, "it broke", kind=kind))

    def log_statuses(self) -> list[tuple[str, int | None]]:
        sent = self.sent("LogStatusNotification")
        return [(one["status"], one.payload.get("requestId")) for one in sent]

    def diagnostics_statuses(self) -> list[str]:
        return [one["status"] for one in self.sent("DiagnosticsStatusNotification")]

    def trigger(self, message: str, *, extended: bool = False) -> str:
        action = "ExtendedTriggerMessage" if extended else "TriggerMessage"
        return self.call(action, requestedMessage=message).status


def a_scene(*, simulated: bool = False, **scene: Any) -> MaintenanceScene:
    """Booted, and nothing seen yet."""
    made = MaintenanceScene(simulated=simulated, **scene)
    made.boot()
    made.mark()
    return made


class Signer:
    """Who signs firmware: a key and a certificate, of a maker's root or self-signed."""

    def __init__(
        self,
        name: str = "Firmware Signer",
        *,
        root: Signer | None = None,
        begins: datetime = NOW - timedelta(days=1),
        lasts: timedelta = timedelta(days=365),
        authority: bool = False,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = root or self
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + lasts)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, content: bytes) -> str:
        signature = self.key.sign(content, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()
