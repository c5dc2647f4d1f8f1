"""Firmware: the walk of an update, unsigned (OCPP 1.6 sections 4.5 and 5.19) and signed (security
whitepaper, use cases L01 and L02).

At the retrieve date the file is downloaded, tried again after a failure as often as the command
says (`retries` counts the further attempts). A signed one is checked. Then the free connectors go
out of service, the transactions that run are waited for, and the station installs, reboots, and
tells its new version in the BootNotification.

The new version is the first version number in the file's name (``charger-2.4.1.bin`` is 2.4.1), or
else the present one with its last number raised. Reboots and power losses interrupt: a download
begins again, an installation too, and what waits for its time goes on waiting. A new command
replaces an update that is under way, whatever it is at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from simfleet.station import agenda, publishing, security, status
from simfleet.station.agenda import Job
from simfleet.station.configuration_keys2 import NEW_SESSIONS_DURING_UPDATE
from simfleet.station.effects import CancelErrand, Download
from simfleet.station.files import RETRY_MIN_S, is_supported
from simfleet.station.firmware_state import (
    Firmware,
    Stage,
    Update,
    copy_of,
    file_name,
    new_version,
    version_of,
)
from simfleet.station.messages import FirmwareStatus, SignedFirmwareStatus
from simfleet.station.phase import Move, Phase
from simfleet.station.registration import NEVER_S
from simfleet.station.security import SecurityEvent

if TYPE_CHECKING:
    from simfleet.station.events import ErrandDone, FirmwareFailure
    from simfleet.station.messages import Message
    from simfleet.station.station import Station

_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")

SignedAnswer = Literal[
    "Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"
]


# ── what the CSMS commands ────────────────────────────────────────────────────────────────────────


def update_firmware(
    station: Station,
    url: str,
    *,
    retrieve_wall_s: float,
    retries: int | None = None,
    retry_s: float | None = None,
    at_s: float,
) -> None:
    """UpdateFirmware: there is no way to refuse it, a failure is told by the statuses."""
    update = Update(url=url, retrieve_wall_s=retrieve_wall_s)
    _begin(station, update, retries, retry_s, at_s=at_s)


def update_signed_firmware(
    station: Station,
    url: str,
    *,
    request_id: int,
    retrieve_wall_s: float,
    install_wall_s: float | None,
    certificate: str | None,
    signature: str | None,
    retries: int | None = None,
    retry_s: float | None = None,
    at_s: float,
) -> SignedAnswer:
    """SignedUpdateFirmware of 1.6, UpdateFirmware of 2.x. Rejected: a location that is no URL of a
    supported scheme, a signature that is no base64, or a reboot that is under way. Without
    certificate and signature (None) it is not signed, which only 2.x allows (use case L02).
    The signing certificate must be valid now and, where manufacturer's roots are installed, lead to
    one of them. Nothing here knows of revocations: RevokedCertificate is only ever answered on
    purpose (`FirmwareWillFail`).
    """
    signed = certificate is not None or signature is not None
    if signed:
        security.of(station)  # whoever signs firmware listens to security events
    firmware = _of(station)
    match firmware.fail_next:
        case "InvalidCertificate" | "RevokedCertificate" as answer if signed:
            firmware.fail_next = ""
            _distrust(station, "it was made to fail", at_s=at_s)
            return answer
    if station.reset_deadline_s != NEVER_S and firmware.update is None:
        return "Rejected"
    if not is_supported(station, url) or (signed and not _BASE64.fullmatch(signature or "")):
        return "Rejected"
    problem = _signer_problem(station, certificate or "", at_s=at_s) if signed else None
    if problem is not None:
        _distrust(station, problem, at_s=at_s)
        return "InvalidCertificate"
    replaces = firmware.update is not None
    update = Update(
        url=url,
        retrieve_wall_s=retrieve_wall_s,
        request_id=request_id,
        install_wall_s=install_wall_s,
        certificate=certificate or "",
        signature=signature or "",
    )
    _begin(station, update, retries, retry_s, at_s=at_s)
    return "AcceptedCanceled" if replaces else "Accepted"


def _signer_problem(station: Station, certificate: str, *, at_s: float) -> str | None:
    from simfleet.pki.firmware import signer_problem  # a fleet without it never pays

    roots = security.of(station).roots
    trusted = [root.pem for root in roots if root.use == "ManufacturerRootCertificate"]
    return signer_problem(certificate, trusted, at_wall_s=station.wall_s(at_s))


def _distrust(station: Station, why: str, *, at_s: float) -> None:
    security.report(station, SecurityEvent.BAD_FIRMWARE_CERTIFICATE, why, at_s=at_s)


def _of(station: Station) -> Firmware:
    if station.firmware is None:
        station.firmware = Firmware()
    return station.firmware


def will_fail(station: Station, stage: FirmwareFailure) -> None:
    """Make the next update fail at this stage."""
    if stage or station.firmware is not None:
        _of(station).fail_next = stage


# ── the walk ──────────────────────────────────────────────────────────────────────────────────────


def _begin(
    station: Station, update: Update, retries: int | None, retry_s: float | None, *, at_s: float
) -> None:
    if retries is not None:
        update.retries = max(0, retries)
    if retry_s is not None:
        update.retry_s = max(RETRY_MIN_S, retry_s)  # never a busy loop
    firmware = _of(station)
    if firmware.update is not None:
        _end(station, firmware.update, at_s=at_s)
    firmware.update = update
    wait_s = update.retrieve_wall_s - station.wall_s(at_s)
    if wait_s <= 0:
        _download(station, update, at_s=at_s)
        return
    agenda.at(station, Job.FIRMWARE, at_s + wait_s)
    if update.request_id is not None:
        _tell(station, update, "DownloadScheduled", at_s=at_s)


def _tell(station: Station, update: Update, new: str, *, at_s: float) -> None:
    """Tell the CSMS, once, where the update is."""
    if update.status == new:
        return
    update.status = new
    message: Message
    if update.request_id is None:
        message = FirmwareStatus(new)
    else:
        message = SignedFirmwareStatus(new, update.request_id)
    station.say(message, due_s=at_s)


def due(station: Station, _: int, /, *, at_s: float) -> None:
    """The next step's time has come (`Job.FIRMWARE`), or something it waits for has changed."""
    update = None if station.firmware is None else station.firmware.update
    if update is None:
        return
    match update.stage:
        case Stage.SCHEDULED | Stage.PAUSING:
            wait_s = update.retrieve_wall_s - station.wall_s(at_s)
            if update.stage is Stage.SCHEDULED and wait_s > 0:  # the clock was set back
                agenda.at(station, Job.FIRMWARE, at_s + wait_s)
            else:
                _download(station, update, at_s=at_s)
        case Stage.DOWNLOADING:  # simulated, or made to fail
            if _fails(station, "DownloadFailed"):
                _fail(station, update, "DownloadFailed", at_s=at_s)
            else:
                _downloaded(station, update, None, at_s=at_s)
        case Stage.WAITING:
            _await_install_date(station, update, at_s=at_s)
        case Stage.EMPTYING:
            _install(station, update, at_s=at_s)
        case Stage.INSTALLING:
            _installed(station, update, at_s=at_s)


def _fails(station: Station, stage: FirmwareFailure) -> bool:
    """Whether the update was made to fail here; then it is not the next time."""
    firmware = _of(station)
    if firmware.fail_next != stage:
        return False
    firmware.fail_next = ""
    return True


def _download(station: Station, update: Update, *, at_s: float) -> None:
    update.stage = Stage.DOWNLOADING
    _tell(station, update, "Downloading", at_s=at_s)
    if not is_supported(station, update.url):
        _fail(station, update, "DownloadFailed", at_s=at_s)
    elif station.spec.transfers == "simulated" or _of(station).fail_next == "DownloadFailed":
        agenda.at(station, Job.FIRMWARE, at_s + station.spec.download_s)
    else:
        station.errands += 1
        update.errand = station.errands
        station.effects.append(Download(update.errand, update.url))


def owns(station: Station, errand: int) -> bool:
    """Whether this errand is the download under way."""
    update = None if station.firmware is None else station.firmware.update
    return update is not None and update.errand == errand


def errand_done(station: Station, done: ErrandDone, *, at_s: float) -> None:
    """The download has ended."""
    update = _of(station).update
    assert update is not None, "only called for a download that `owns` knows"
    update.errand = 0
    if done.ok:
        _downloaded(station, update, done.content, at_s=at_s)
    elif update.retries:
        update.retries -= 1
        update.stage = Stage.PAUSING
        agenda.at(station, Job.FIRMWARE, at_s + update.retry_s)
    else:
        _fail(station, update, "DownloadFailed", at_s=at_s)


def _downloaded(station: Station, update: Update, content: bytes | None, *, at_s: float) -> None:
    """The file is here; None: a pretend one, of which nothing is checked."""
    _tell(station, update, "Downloaded", at_s=at_s)
    update.version = new_version(update.url, version_of(station))
    if update.certificate:
        problem = _signature_problem(station, update, content)
        if problem:
            security.report(station, SecurityEvent.BAD_FIRMWARE_SIGNATURE, problem, at_s=at_s)
            _fail(station, update, "InvalidSignature", at_s=at_s)
            return
        _tell(station, update, "SignatureVerified", at_s=at_s)
    _await_install_date(station, update, at_s=at_s)


def _await_install_date(station: Station, update: Update, *, at_s: float) -> None:
    update.stage = Stage.WAITING
    if update.install_wall_s is not None:
        wait_s = update.install_wall_s - station.wall_s(at_s)
        if wait_s > 0:
            _tell(station, update, "InstallScheduled", at_s=at_s)
            agenda.at(station, Job.FIRMWARE, at_s + wait_s)
            return
    _install(station, update, at_s=at_s)


def _signature_problem(station: Station, update: Update, content: bytes | None) -> str:
    if _fails(station, "InvalidSignature"):
        return "it was made to fail"
    if content is None:
        return ""
    from simfleet.pki.firmware import firmware_signature_valid  # a fleet without it never pays

    valid = firmware_signature_valid(
        content, signature=update.signature, certificate_pem=update.certificate
    )
    return "" if valid else f"the signature is not that of {file_name(update.url)}"


def _install(station: Station, update: Update, *, at_s: float) -> None:
    """Install; or take what is free out of service and wait for the rest: `status.moved` sets the
    time to look again. Where AllowNewSessionsPendingFirmwareUpdate (2.x) is true, it waits for a
    moment at which nobody charges, with everything in service.
    """
    update.stage = Stage.EMPTYING
    if _is_busy(station) and station.configuration.get(NEW_SESSIONS_DURING_UPDATE) == "true":
        return
    for connector in station.connectors:
        if not connector.inoperative:
            connector.inoperative = True
            update.withdrawn.append(connector.id)
        if connector.phase in (Phase.AVAILABLE, Phase.FINISHING, Phase.RESERVED):
            connector.forget_tag()
            connector.move(Move.WITHDRAWN)
            status.moved(station, connector, at_s=at_s)
    agenda.cancel(station, Job.FIRMWARE)  # what has just moved is no news
    if _is_busy(station):
        return
    update.stage = Stage.INSTALLING
    _tell(station, update, "Installing", at_s=at_s)
    agenda.at(station, Job.FIRMWARE, at_s + station.spec.install_s)


def _is_busy(station: Station) -> bool:
    return any(
        one.transaction or one.tag_pending or one.authorized_tag for one in station.connectors
    )


def _installed(station: Station, update: Update, *, at_s: float) -> None:
    """Written to the memory: the reboot makes it the firmware that runs."""
    if _fails(station, "InstallationFailed"):
        _fail(station, update, "InstallationFailed", at_s=at_s)
        return
    update.stage = Stage.REBOOTING
    if update.request_id is not None:
        _tell(station, update, "InstallRebooting", at_s=at_s)
    station.reset(hard=False, at_s=at_s)


def _fail(station: Station, update: Update, why: str, *, at_s: float) -> None:
    _tell(station, update, why, at_s=at_s)
    _end(station, update, at_s=at_s)


def _end(station: Station, update: Update, *, at_s: float) -> None:
    """Over, in whatever way: nothing of it goes on, and the connectors are back in service."""
    if update.errand:
        station.effects.append(CancelErrand(update.errand))
    agenda.cancel(station, Job.FIRMWARE)
    _of(station).update = None
    for connector_id in update.withdrawn:
        if connector_id > len(station.connectors):
            continue  # rebuilt with fewer
        connector = station.connectors[connector_id - 1]
        connector.inoperative = False
        if connector.phase is Phase.UNAVAILABLE:
            connector.move(Move.OCCUPIED if connector.plugged else Move.OFFERED)
            status.moved(station, connector, at_s=at_s)


# ── what else happens to the station ──────────────────────────────────────────────────────────────


def keeps_withdrawn(station: Station, connector_id: int, *, operative: bool) -> bool:
    """ChangeAvailability while connectors are out of service for an update. True: this one stays
    so until the update is over, and is then back in service.
    """
    update = None if station.firmware is None else station.firmware.update
    if update is None or update.stage not in (Stage.EMPTYING, Stage.INSTALLING, Stage.REBOOTING):
        return False
    if operative:
        if connector_id not in update.withdrawn:
            update.withdrawn.append(connector_id)
        return True
    if connector_id in update.withdrawn:
        update.withdrawn.remove(connector_id)
    return False


def went_dark(station: Station) -> None:
    """A reboot or a power loss: what was under way is cut off."""
    update = None if station.firmware is None else station.firmware.update
    if update is not None and update.errand:
        station.effects.append(CancelErrand(update.errand))
        update.errand = 0
    publishing.went_dark(station)


def rebooted(station: Station, *, at_s: float) -> None:
    """The station has booted: the new firmware runs, or the update goes on from where it was."""
    firmware = _of(station)
    publishing.rebooted(station, at_s=at_s)
    update = firmware.update
    if update is None:
        return
    match update.stage:
        case Stage.REBOOTING:
            firmware.version = update.version
            station.boot_reason = "FirmwareUpdate"
            _tell(station, update, "Installed", at_s=at_s)
            _end(station, update, at_s=at_s)
            security.report(station, SecurityEvent.FIRMWARE_UPDATED, update.version, at_s=at_s)
        case Stage.WAITING | Stage.EMPTYING | Stage.INSTALLING:
            if update.stage is Stage.INSTALLING:
                update.stage = Stage.EMPTYING
            agenda.at(station, Job.FIRMWARE, at_s)
        case Stage.DOWNLOADING | Stage.PAUSING:
            update.stage = Stage.PAUSING
            agenda.at(station, Job.FIRMWARE, at_s)
        case Stage.SCHEDULED:
            wait_s = update.retrieve_wall_s - station.wall_s(at_s)
            agenda.at(station, Job.FIRMWARE, at_s + max(0.0, wait_s))


def kept(station: Station) -> Firmware | None:
    """What survives a power loss, as it is now."""
    firmware = station.firmware
    return None if firmware is None or firmware == Firmware() else copy_of(firmware)


def recall(station: Station, known: Firmware, *, at_s: float) -> None:
    """Put it into a station that is made anew: to it, this was a power loss."""
    station.firmware = copy_of(known)
    rebooted(station, at_s=at_s)
