"""Security profiles of a run: what its chargers were given to connect with, and who checks it.

Against the embedded CSMS all of it is made for the run and thrown away with it: a CA, the CSMS's
certificate, a password for each charger of profile 1 and 2, and for each of profile 3 a certificate
when it first connects. Against another CSMS, files and password come from the scenario.
"""

from __future__ import annotations

import ssl
import tempfile
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import trio

from simfleet.clock import real_wall_s
from simfleet.csms.embedded import EmbeddedCsms, embedded_csms
from simfleet.csms.pki_folder import PRIVATE, PkiFolder, read_file, write_file
from simfleet.errors import ConnectFailed, ConnectReason, TargetUnreachable, UsageWrong
from simfleet.fleet.keyring import ClientCertificate, Keyring
from simfleet.fleet.plan import authorization_key
from simfleet.link.client_tls import ClientContexts
from simfleet.link.link import LinkOptions
from simfleet.ocpp.versions import VERSIONS, catalog_of
from simfleet.station.credentials import current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.commands import Command
    from simfleet.load.schema1 import Scenario, Target
    from simfleet.pki.authority import Authority

CERTIFICATES_MAX: Final = 10_000
"""Certificates kept for reconnects: one for each charger that a run may have."""
IDENTITY: Final = "{identity}"


class Reached(NamedTuple):
    """Where a run's chargers connect, and with what."""

    url: str
    csms: EmbeddedCsms | None
    options: LinkOptions
    keyring: Keyring
    authority: Authority | None = None
    """The embedded CSMS's CA, if it has one."""


@asynccontextmanager
async def reached(
    scenario: Scenario,
    plans: Sequence[ChargerPlan],
    options: LinkOptions,
    *,
    time_scale: float = 1.0,
) -> AsyncIterator[Reached]:
    """The target of a run as long as the block lasts; the embedded CSMS runs inside, its clock
    `time_scale` times as fast as real time.
    """
    target = scenario.target
    if target.url != "embedded":
        yield Reached(target.url, None, options, _keyring_of(target))
    elif not needs_pki(scenario, plans):
        async with embedded_csms(password=target.password, time_scale=time_scale) as csms:
            yield Reached(csms.url, csms, options, Keyring())
    else:
        with tempfile.TemporaryDirectory(prefix="simfleet-") as name:
            made = await trio.to_thread.run_sync(make_pki, Path(name), scenario, plans)
            async with embedded_csms(
                password=target.password,
                passwords=made.passwords,
                pki=made.folder.path,
                time_scale=time_scale,
                security_profile=min((profile_of(plan) for plan in plans), default=0),
            ) as csms:
                context = ClientContexts().context((made.authority.certificate_pem,))
                keyring = Keyring(certificate_of=IssuedCertificates(made.authority))
                options = replace(options, ssl_context=context)
                yield Reached(csms.url, csms, options, keyring, made.authority)


def installed(folder: PkiFolder) -> tuple[LinkOptions, Keyring]:
    """What chargers are given that are to reach a CSMS with this PKI, and others as well: they
    trust its CA beside the system's, and have a certificate of it. Raises `UsageWrong`.
    """
    authority = folder.authority()
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authority.certificate_pem.decode("ascii"))
    keyring = Keyring(certificate_of=IssuedCertificates(authority))
    return LinkOptions(ssl_context=context), keyring


def passwords_of(plans: Sequence[ChargerPlan]) -> dict[str, str]:
    """The passwords that single chargers were given, by identity."""
    return {plan.identity: plan.password for plan in plans if plan.password is not None}


def profile_of(plan: ChargerPlan) -> int:
    """The security profile that a charger leaves the factory with."""
    return int(plan.factory.values.get("SecurityProfile") or 0)


def as_charger(plan: ChargerPlan, reached: Reached, *, at_s: float) -> tuple[str, LinkOptions]:
    """URL and options with which a charger would connect first. Raises `TargetUnreachable`."""
    station = plan.build(wall_offset_s=real_wall_s() - at_s)
    keyring, credentials = reached.keyring, current(station, at_s=at_s)
    url = keyring.url(credentials, reached.url)
    try:
        return url, keyring.options(credentials, reached.options, identity=plan.identity)
    except ConnectFailed as failure:
        raise TargetUnreachable(f"cannot connect to {url}: {failure.detail}") from None


def ensure_credentials(scenario: Scenario, plans: Sequence[ChargerPlan]) -> None:
    """Refuse a run whose chargers cannot have what their profile needs. Raises `UsageWrong`."""
    target = scenario.target
    if target.url == "embedded":
        if target.client_cert is not None:
            raise UsageWrong(
                "target.client_cert: the embedded CSMS issues its chargers' certificates itself;"
                " leave it out"
            )
        return
    for plan in plans:
        profile = profile_of(plan)
        if profile in (1, 2):
            own = plan.password or plan.factory.values.get("AuthorizationKey")
            if target.password is None and not own:
                lacking = "password: write target.password, or password in the slice"
                raise UsageWrong(_lacking(plan, lacking))
        elif profile == 3:
            if target.client_cert is None:
                raise UsageWrong(_lacking(plan, "certificate: write target.client_cert"))
            for path in _files_of(target, plan.identity):
                if not path.is_file():
                    raise UsageWrong(f"target.client_cert: there is no file {path}")


def _lacking(plan: ChargerPlan, what: str) -> str:
    return (
        f"the chargers of {plan.slice_name!r} have security_profile {profile_of(plan)}"
        f" and no {what}"
    )


# ── the embedded CSMS's ─────────────────────────────────────────────────────────────────────────


class _Made(NamedTuple):
    folder: PkiFolder
    authority: Authority
    passwords: Path


def needs_pki(scenario: Scenario, plans: Sequence[ChargerPlan]) -> bool:
    """Whether anybody connects with credentials, or is told something about certificates."""
    return any(profile_of(plan) or plan.password is not None for plan in plans) or any(
        _of_certificates(command) for command in scenario.commands
    )


_BLOCKS_OF_CERTIFICATES: Final = ("Security", "ISO15118Certificates")


def _of_certificates(command: Command) -> bool:
    """Whether a command is about certificates, or about the profiles that need them."""
    if command.send == "ChangeConfiguration":
        return "SecurityProfile" in command.payload.values()
    if command.send == "SetNetworkProfile":
        return True
    found = (catalog_of(version).actions.get(command.send) for version in VERSIONS)
    return any(one is not None and one.block in _BLOCKS_OF_CERTIFICATES for one in found)


def make_pki(path: Path, scenario: Scenario, plans: Sequence[ChargerPlan]) -> _Made:
    """An authority for one run, and the passwords of its chargers."""
    folder = PkiFolder(path)
    authority = folder.init(at_wall_s=real_wall_s())
    passwords = path / "passwords.txt"
    write_file(passwords, _passwords_of(plans).encode(), mode=PRIVATE)
    return _Made(folder, authority, passwords)


def _passwords_of(plans: Sequence[ChargerPlan]) -> str:
    lines = []
    for plan in plans:
        key = plan.factory.values.get("AuthorizationKey") or ""
        if plan.keyed:
            key = authorization_key(plan.seed, plan.identity)
        if plan.password is not None:
            lines.append(f"{plan.identity}:{plan.password}\n")
        elif key and profile_of(plan) in (1, 2):
            lines.append(f"{plan.identity}:{key}\n")
    return "".join(lines)


class IssuedCertificates:
    """Certificates from an authority of our own, issued when they are first asked for.

    0.15 ms each; the TLS context made of one takes another 1 ms, see docs/scenarios.md.
    """

    __slots__ = ("_authority", "_kept")

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._kept: OrderedDict[str, ClientCertificate] = OrderedDict()

    def __call__(self, identity: str) -> ClientCertificate:
        """The certificate of a charger."""
        found = self._kept.get(identity)
        if found is None:
            issued = self._authority.issue_client(identity, at_wall_s=real_wall_s())
            found = ClientCertificate(issued.certificate_pem, issued.key_pem)
            self._kept[identity] = found
            if len(self._kept) > CERTIFICATES_MAX:
                self._kept.popitem(last=False)
        return found


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def _keyring_of(target: Target) -> Keyring:
    if target.client_cert is None:
        return Keyring()
    return Keyring(certificate_of=partial(_read_certificate, target))


def _read_certificate(target: Target, identity: str) -> ClientCertificate:
    certificate, key = _files_of(target, identity)
    try:
        return ClientCertificate(read_file(certificate), read_file(key))
    except UsageWrong as wrong:
        raise ConnectFailed(ConnectReason.TLS, str(wrong)) from None


def _files_of(target: Target, identity: str) -> tuple[Path, Path]:
    """The files of a charger's certificate and key, which may be one and the same."""
    assert target.client_cert is not None
    named = quote(identity, safe="")
    certificate = target.client_cert.replace(IDENTITY, named)
    key = (target.client_key or target.client_cert).replace(IDENTITY, named)
    return Path(certificate), Path(key)
