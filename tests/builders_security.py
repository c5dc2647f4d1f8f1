"""A charging station that knows of security, on a table, beside a certificate authority.

    scene = SecureScene()
    scene.boot()
    csr = scene.ask()
    scene.call("CertificateSigned", certificateChain=scene.ca.sign(csr).decode())

The scene makes certificate requests at once, reconnects when the station wants to, and lets a
`door` decide whether the CSMS takes the credentials.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from builders_pki import Ca
from builders_station import EPOCH_S, Scene
from simfleet.pki.requests import make_certificate_request
from simfleet.station import certificates
from simfleet.station.credentials import Credentials, Given, current
from simfleet.station.effects import CancelErrand, MakeCertificateRequest, Reconnect
from simfleet.station.events import ErrandDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders_pki import Ca as CaType
    from builders_station import Answer
    from simfleet.station.effects import Effect

NOW = datetime.fromtimestamp(EPOCH_S, UTC)
KEY = "4F43415F4F4354545F61646D696E5F74657374"
"""AuthorizationKey of OCTT TC_073: OCA_OCTT_admin_test."""
OTHER_KEY = "00FF" * 10

Refusal = tuple[str, str, int | None]
"""Why a connection fails: reason, detail, HTTP status."""
NO_TLS: Refusal = ("tls", "WRONG_VERSION_NUMBER", None)
WRONG_PASSWORD: Refusal = ("http_status", "401 Unauthorized", 401)
BAD_SERVER: Refusal = ("tls", "certificate: self-signed certificate in certificate chain", None)


def a_ca(name: str = "Operator Root") -> Ca:
    return Ca(name, now=NOW)


class SecureScene(Scene):
    """See the module. `tried` are the credentials of every connection that was attempted."""

    def __init__(
        self,
        *,
        ca: CaType | None = None,
        given: Given | None = None,
        security_events: bool = False,
        **scene: Any,
    ) -> None:
        super().__init__(**scene)
        self.ca = ca or a_ca()
        self.tried: list[Credentials] = []
        self.requests: list[MakeCertificateRequest] = []
        self.errands_work = True
        self.door: Callable[[Credentials], Refusal | None] = lambda credentials: None
        if given is not None:
            self.station.given = given
        if security_events:
            self.station.spec = msgspec.structs.replace(self.station.spec, security_events=True)
        self.on("SignCertificate", {"status": "Accepted"})

    def attempt(self) -> bool:
        """Try to connect, as the shell does."""
        credentials = current(self.station, at_s=self.now_s)
        self.tried.append(credentials)
        refusal = self.door(credentials)
        if refusal is None:
            self.connect()
            return True
        kind, detail, status = refusal
        self.station.connect_failed(kind, detail, status=status, at_s=self.now_s)
        self.pump()
        return False

    def boot(self) -> None:
        self.attempt()

    def _carry_out(self, effect: Effect) -> None:
        super()._carry_out(effect)
        match effect:
            case Reconnect():
                self.disconnect()
                self.attempt()
            case MakeCertificateRequest():
                self.requests.append(effect)
                if self.errands_work:
                    self.make(effect)
            case CancelErrand(errand):
                self.requests = [one for one in self.requests if one.errand != errand]

    def make(self, wanted: MakeCertificateRequest) -> None:
        """Do the errand."""
        csr, key = make_certificate_request(wanted.common_name, wanted.organization)
        self.tell(ErrandDone(wanted.errand, True, content=csr, more=key))

    # ── what a CSMS does ──

    def configure(self, key: str, value: str) -> str:
        return self.call("ChangeConfiguration", key=key, value=value).status

    def ask(self) -> str:
        """Have the station ask for a certificate; returns the request."""
        before = len(self.log)
        certificates.ask(self.station, at_s=self.now_s)
        self.tick()
        requests = [one for one in self.log[before:] if one.action == "SignCertificate"]
        assert len(requests) == 1
        return str(requests[0]["csr"])

    def sign(self, chain: bytes | str) -> str:
        text = chain if isinstance(chain, str) else chain.decode()
        return self.call("CertificateSigned", certificateChain=text).status

    def certify(self) -> bytes:
        """Give the station a certificate of its own."""
        chain = self.ca.sign(self.ask())
        assert self.sign(chain) == "Accepted"
        return chain

    def trust(self, ca: CaType | None = None, *, use: str = "CentralSystemRootCertificate") -> str:
        pem = (ca or self.ca).pem.decode()
        return self.call("InstallCertificate", certificateType=use, certificate=pem).status

    def installed(self, *, use: str = "CentralSystemRootCertificate") -> Answer:
        return self.call("GetInstalledCertificateIds", certificateType=use)

    # ── what was seen ──

    def events(self) -> list[str]:
        """The security events that the CSMS was told of since the mark."""
        return [one["type"] for one in self.sent("SecurityEventNotification")]


def a_secure_scene(**scene: Any) -> SecureScene:
    """Booted, and looked at from here on."""
    made = SecureScene(**scene)
    made.boot()
    made.mark()
    return made
