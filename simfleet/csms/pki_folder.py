"""A folder of keys and certificates, as `simfleet pki` makes it and the embedded CSMS uses it.

    ca.pem  ca.key                    the authority; keys can be read by their owner only
    server.pem  server.key            the CSMS's certificate
    chargers/<identity>.pem  .key     stations' certificates, the identity percent-encoded

Files are written beside their place and moved there, so a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simfleet.pki.authority import Authority, Issued

CHARGERS: Final = "chargers"
HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""Where a CSMS is reached if nobody says otherwise."""
PEM_MAX_BYTES: Final = 256 * 1024
"""A file of ours has one or two certificates; one that is larger than this is something else."""
NAME_MAX_BYTES: Final = 240
"""What file systems leave for a name, less the suffix."""
PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


class PkiFolder:
    """The paths of a PKI folder, and reading and writing of what is there.

    Whatever cannot be read, written or used is a `UsageWrong` that names the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ca_pem, self.ca_key = path / "ca.pem", path / "ca.key"
        self.server_pem, self.server_key = path / "server.pem", path / "server.key"
        self.chargers = path / CHARGERS

    def charger_pem(self, identity: str) -> Path:
        """Where the certificate of a station is."""
        return self.chargers / f"{_file_name(identity)}.pem"

    def charger_key(self, identity: str) -> Path:
        """Where the key of a station is."""
        return self.chargers / f"{_file_name(identity)}.key"

    def identities(self) -> list[str]:
        """The stations that have a certificate here, sorted."""
        try:
            return sorted(unquote(path.name[:-4]) for path in self.chargers.glob("*.pem"))
        except OSError as error:
            raise _unusable(self.chargers, error) from None

    # ── making ──────────────────────────────────────────────────────────────────────────────────

    def init(
        self,
        *,
        at_wall_s: float,
        hosts: Sequence[str] = HOSTS,
        days: int | None = None,
        force: bool = False,
    ) -> Authority:
        """Make a CA and a server certificate. Refuses, without `force`, where there is a CA."""
        from simfleet.pki.authority import AUTHORITY_DAYS, LEAF_DAYS, Authority, PkiInvalid

        try:
            authority = Authority.create(at_wall_s=at_wall_s, days=days or AUTHORITY_DAYS)
            server = authority.issue_server(hosts, at_wall_s=at_wall_s, days=days or LEAF_DAYS)
        except PkiInvalid as wrong:
            raise UsageWrong(str(wrong)) from None
        if not force:
            for taken in (self.ca_pem, self.ca_key):
                if taken.exists():
                    raise UsageWrong(
                        f"{taken} is there already, and certificates may depend on it;"
                        " --force makes a new CA all the same"
                    )
        _make_folder(self.path)
        _make_folder(self.chargers)
        # The key first: a certificate without its key would look like a CA that is whole.
        write_file(self.ca_key, authority.key_pem, mode=PRIVATE)
        write_file(self.ca_pem, authority.certificate_pem, mode=PUBLIC)
        self._write(self.server_pem, self.server_key, server)
        return authority

    def issue(
        self,
        identity: str,
        *,
        authority: Authority,
        at_wall_s: float,
        days: int | None = None,
        force: bool = False,
    ) -> Path:
        """Issue a station's certificate; returns where it is. Refuses, without `force`, where there
        is one.
        """
        from simfleet.pki.authority import LEAF_DAYS, PkiInvalid

        pem, key = self.charger_pem(identity), self.charger_key(identity)
        if not force:
            for taken in (pem, key):
                if taken.exists():
                    raise UsageWrong(f"{taken} is there already; --force replaces it")
        try:
            issued = authority.issue_client(identity, at_wall_s=at_wall_s, days=days or LEAF_DAYS)
        except PkiInvalid as wrong:
            raise UsageWrong(str(wrong)) from None
        _make_folder(self.chargers)
        self._write(pem, key, issued)
        return pem

    def _write(self, pem: Path, key: Path, issued: Issued) -> None:
        write_file(key, issued.key_pem, mode=PRIVATE)
        write_file(pem, issued.certificate_pem, mode=PUBLIC)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def authority(self) -> Authority:
        """The CA with its key."""
        from simfleet.pki.authority import Authority, PkiInvalid

        certificate, key = self._read_ca(self.ca_pem), self._read_ca(self.ca_key)
        try:
            return Authority(certificate, key)
        except PkiInvalid as wrong:
            raise UsageWrong(f"{self.path}: {wrong}") from None

    def _read_ca(self, path: Path) -> bytes:
        if not path.exists():
            raise UsageWrong(f"there is no {path}; make a CA with `simfleet pki init {self.path}`")
        return read_file(path)


def read_file(path: Path) -> bytes:
    """A PEM file, whole. Raises `UsageWrong`."""
    try:
        with path.open("rb") as file:
            content = file.read(PEM_MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error) from None
    if len(content) > PEM_MAX_BYTES:
        raise UsageWrong(f"{path} is no PEM file: it has over {PEM_MAX_BYTES} bytes")
    return content


def write_file(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file so that it is there as a whole or not at all. Raises `UsageWrong`."""
    beside = path.with_name(f".{path.name[:64]}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise _unusable(path, error) from None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from None


def _file_name(identity: str) -> str:
    """A name without separators. Raises `UsageWrong` for one that no file can have."""
    name = quote(identity, safe="")
    if not name or len(name) > NAME_MAX_BYTES:
        raise UsageWrong(
            f"{identity!r} is no identity for a file: write 1 to 64 characters, most of them plain"
        )
    return name


def _unusable(path: Path, error: OSError) -> UsageWrong:
    return UsageWrong(f"cannot use {path}: {error.strerror or error}")
