"""Whether a CSMS opens a connection: what a test wants of the handshake, and then who is asking."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from simfleet.link.accepting import ACCEPT, Drop, Refuse, Stall, unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.csms.access import Doorkeeper
    from simfleet.csms.behaviour import Behaviour
    from simfleet.link.accepting import Handshake, Verdict

IDENTITY_MAX: Final = 255
"""Characters; OCPP 1.6 sets no limit, 2.0.1 sets 48."""
_UPGRADE_TO_TLS: Final = {"Upgrade": "TLS/1.2"}
"""What 426 tells, as RFC 2817 section 4.2 has it; here it means to dial again."""


def admission(
    handshake: Handshake,
    *,
    behaviour: Behaviour,
    doorkeeper: Doorkeeper,
    frozen: bool,
    stopping: bool,
) -> Verdict:
    """Decide about an opening handshake with a CSMS that is `frozen`, `stopping` or neither."""
    if behaviour.close_in_handshake:
        return Drop()
    if frozen:
        return Stall()
    if behaviour.http_status is not None:
        return _refused(behaviour.http_status, "told to refuse every connection", "told_to")
    if stopping:
        return _refused(503, "this CSMS is stopping", "stopping")
    if not handshake.identity:
        return _refused(404, "no identity: connect to /{identity} or below", "identity")
    if len(handshake.identity) > IDENTITY_MAX:
        return _refused(400, f"identity is over {IDENTITY_MAX} characters", "identity")
    denial = doorkeeper.judge(
        handshake.identity,
        user=handshake.user,
        password=handshake.password,
        secure=handshake.secure,
        certificate=handshake.certificate,
    )
    if denial is None:
        return ACCEPT
    if denial.status == HTTPStatus.UNAUTHORIZED:
        return unauthorized(denial.why, denial.reason)
    headers = _UPGRADE_TO_TLS if denial.status == HTTPStatus.UPGRADE_REQUIRED else {}
    return _refused(denial.status, denial.why, denial.reason, headers)


def _refused(
    status: int, why: str, reason: str, headers: Mapping[str, str] | None = None
) -> Refuse:
    return Refuse(status=status, body=f"{why}\n", headers=headers or {}, reason=reason)
