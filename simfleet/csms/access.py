"""Who may connect: OCPP security profiles 0 to 3 from the CSMS's side. Pure.

    0  nothing is asked for
    1  HTTP Basic authentication, the user being the identity
    2  the same over TLS
    3  TLS with a client certificate, whose common name is the identity

The profile of a CSMS is the least that it takes. A certificate that names the station always
suffices; a station whose password is known must show it, unless it has shown such a certificate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, NamedTuple

from msgspec import Struct

from simfleet.errors import UsageWrong

PROFILE_MAX: Final = 3
REMEMBERED_MAX: Final = 50_000
"""Stations whose commanded key or other name is remembered; then the oldest is forgotten."""
PASSWORD_MAX_CHARS: Final = 64
PASSWORDS_MAX: Final = 100_000
_PASSWORD: Final = re.compile(r"[ -~]+")
_HEX_KEY: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")
"""An AuthorizationKey as the Security Whitepaper writes it: 16 to 20 bytes in hexadecimal."""


class Access(Struct, frozen=True, kw_only=True):
    """What a CSMS asks of stations that connect. `passwords` are by identity, and win over
    `password`, which is everybody's.
    """

    profile: int = 0
    password: str | None = None
    passwords: Mapping[str, str] = {}

    def problem(self, *, has_tls: bool) -> str | None:
        """Why this asks for what nobody could give; None if it does not."""
        if not 0 <= self.profile <= PROFILE_MAX:
            return f"{self.profile} is no security profile; write 0 to {PROFILE_MAX}"
        if self.profile >= 2 and not has_tls:
            return (
                f"security profile {self.profile} needs TLS: give --pki DIR"
                " (`simfleet pki init DIR` makes one)"
            )
        if self.profile in (1, 2) and self.password is None and not self.passwords:
            return f"security profile {self.profile} needs --password or --passwords"
        return None


OPEN: Final = Access()


class Denial(NamedTuple):
    """Why a station may not connect: what it is answered, and the word for the ledger."""

    status: int
    why: str
    reason: str


class Doorkeeper:
    """Decides about handshakes, and remembers what this CSMS has told its stations to use.

    `forgotten` counts stations whose key or name fell out of the bounds.
    """

    def __init__(self, access: Access = OPEN) -> None:
        self._access = access
        self._keys: dict[str, _Key] = {}
        self._names: dict[str, str] = {}
        self.forgotten = 0

    def judge(
        self,
        identity: str,
        *,
        user: str | None,
        password: bytes | None,
        secure: bool,
        certificate: str | None,
    ) -> Denial | None:
        """Why this handshake is refused; None if it is not."""
        profile = self._access.profile
        if profile >= 2 and not secure:
            why = f"security profile {profile} needs TLS: connect to wss:// at this host and port"
            return Denial(426, why, "plain")
        if certificate is not None:
            if certificate in (identity, self._names.get(identity, identity)):
                return None
            why = f"the client certificate is for {certificate!r}, not for {identity!r}"
            return Denial(403, why, "wrong_certificate")
        if profile == PROFILE_MAX:
            why = "security profile 3 needs a client certificate, and none was shown"
            return Denial(403, why, "no_certificate")
        return self._judge_password(identity, user, password)

    def _judge_password(
        self, identity: str, user: str | None, password: bytes | None
    ) -> Denial | None:
        asked_for = self._access.profile in (1, 2)
        forms, required = self._expected(identity)
        if not forms:
            why = f"no password is known for {identity!r}"
            return Denial(401, why, "unknown_station") if asked_for else None
        if password is None:
            if asked_for or required:
                why = f"HTTP Basic authentication is needed, with {identity!r} as the user"
                return Denial(401, why, "no_password")
            return None
        if user != identity:
            why = f"wrong credentials for {identity!r}: the user must be the identity"
            return Denial(401, why, "wrong_user")
        # Every form is compared, however the first one went: the time tells nothing.
        if not sum(compare_digest(password, form) for form in forms):
            return Denial(401, f"wrong credentials for {identity!r}", "wrong_password")
        self._shown(identity)
        return None

    def _expected(self, identity: str) -> tuple[tuple[bytes, ...], bool]:
        """The passwords that count for a station, and whether it has to show one."""
        key = self._keys.get(identity)
        if key is not None:
            return key.forms, key.required
        configured = self._access.passwords.get(identity, self._access.password)
        return (forms_of(configured), True) if configured is not None else ((), False)

    def _shown(self, identity: str) -> None:
        """A station that has shown its commanded key once has to show it from then on."""
        key = self._keys.get(identity)
        if key is not None and not key.required:
            self._keys[identity] = _Key(key.forms, True)

    # ── what we have told them ──────────────────────────────────────────────────────────────────

    def note_key(self, identity: str, key: str, *, at_once: bool) -> None:
        """A station has taken a new AuthorizationKey, `at_once` or from its next start on: until
        then the old one counts as well.
        """
        before, required = self._expected(identity)
        forms = forms_of(key) if at_once else forms_of(key) + before
        self._bound(self._keys, identity)
        self._keys[identity] = _Key(forms, required)

    def note_name(self, identity: str, common_name: str) -> None:
        """A certificate with this name was issued to a station: its serial number, perhaps."""
        if common_name != identity:
            self._bound(self._names, identity)
            self._names[identity] = common_name

    def _bound(self, remembered: dict[str, str] | dict[str, _Key], identity: str) -> None:
        if identity not in remembered and len(remembered) >= REMEMBERED_MAX:
            del remembered[next(iter(remembered))]
            self.forgotten += 1


class _Key(NamedTuple):
    forms: tuple[bytes, ...]
    required: bool


def forms_of(password: str) -> tuple[bytes, ...]:
    """The bytes that stations send for a password. A key of 32 to 40 hexadecimal digits stands for
    16 to 20 bytes, which some stations send, while others send the digits.
    """
    text = password.encode()
    return (text, bytes.fromhex(password)) if _HEX_KEY.fullmatch(password) else (text,)


def parse_passwords(text: str, *, source: str) -> dict[str, str]:
    """Passwords by identity, from lines `identity:password`; blank lines and `#` are left out.

    Raises `UsageWrong` naming the line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        identity, colon, password = line.partition(":")
        where = f"{source}:{number}"
        if not colon or not identity:
            raise UsageWrong(f"{where}: write identity:password")
        if not _PASSWORD.fullmatch(password) or len(password) > PASSWORD_MAX_CHARS:
            # The line is not shown: it may hold a password.
            raise UsageWrong(
                f"{where}: a password has 1 to {PASSWORD_MAX_CHARS} printable ASCII characters"
            )
        if identity in found:
            raise UsageWrong(f"{where}: {identity!r} has a password already")
        found[identity] = password
        if len(found) > PASSWORDS_MAX:
            raise UsageWrong(f"{where}: over {PASSWORDS_MAX} passwords")
    return found
