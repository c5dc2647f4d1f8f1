"""Tags: who may charge, say the CSMS, the cache, the rules for being offline (OCPP 1.6, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused
from simfleet.station import charging
from simfleet.station.connector import NEVER_S
from simfleet.station.messages import TokenQuestion
from simfleet.station.phase import Move, Phase
from simfleet.station.status import moved

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.tokens import TokenInfo

TO_START: Final = "start"
TO_STOP: Final = "stop"


def present_token(station: Station, connector: Connector, id_tag: str, *, at_s: float) -> None:
    """A tag at the reader: starts a session, or stops the one it (or its group) started."""
    transaction = connector.transaction
    if transaction is not None:
        if id_tag == transaction.id_tag:  # the same tag needs no Authorize (OCPP 1.6 section 4.8)
            charging.end(station, connector, reason="Local", at_s=at_s, id_tag=id_tag)
        else:
            ask(station, connector, id_tag, purpose=TO_STOP, at_s=at_s)
        return
    if (
        connector.phase not in (Phase.AVAILABLE, Phase.PREPARING, Phase.FINISHING)
        or connector.inoperative
    ):
        raise Refused(f"connector {connector.id} is {connector.phase} and takes no tag")
    if station.spec.free_charging:
        accept_tag(station, connector, id_tag, parent_id_tag=None, at_s=at_s)
        return
    known = station.tokens.find(id_tag, wall_s=station.wall_s(at_s))
    accepted = known is not None and known.status == "Accepted"
    if not station.online:
        offline_ok = accepted and station.configuration.flag("LocalAuthorizeOffline")
        unknown_ok = known is None and station.configuration.flag("AllowOfflineTxForUnknownId")
        if offline_ok or unknown_ok:
            accept_tag(
                station,
                connector,
                id_tag,
                parent_id_tag=known.parent_id_tag if known else None,
                at_s=at_s,
            )
        else:
            deny_tag(station, connector, at_s=at_s)
        return
    if accepted and station.configuration.flag("LocalPreAuthorize"):
        assert known is not None
        accept_tag(station, connector, id_tag, parent_id_tag=known.parent_id_tag, at_s=at_s)
        return
    ask(station, connector, id_tag, purpose=TO_START, at_s=at_s)


def ask(station: Station, connector: Connector, id_tag: str, *, purpose: str, at_s: float) -> None:
    """Ask the CSMS about a tag; `token_answered` goes on from there."""
    if connector.tag_pending is not None:
        raise Refused(
            f"connector {connector.id} waits for the answer about tag {connector.tag_pending!r}"
        )
    connector.tag_pending = id_tag
    station.say(TokenQuestion(connector.id, id_tag, purpose), due_s=at_s)


def token_answered(
    station: Station, question: TokenQuestion, info: TokenInfo | None, *, at_s: float
) -> None:
    """The CSMS has spoken about a tag; None: it did not (error, no answer, link lost)."""
    connector = station.connectors[question.connector_id - 1]
    if connector.tag_pending != question.id_tag:
        return  # overtaken: the cable came out meanwhile
    connector.tag_pending = None
    accepted = info is not None and info.status == "Accepted"
    parent = info.parent_id_tag if info is not None else None
    if question.purpose == TO_STOP:
        transaction = connector.transaction
        same_group = (
            transaction is not None and parent is not None and parent == transaction.parent_id_tag
        )
        if accepted and same_group:
            charging.end(station, connector, reason="Local", at_s=at_s, id_tag=question.id_tag)
    elif accepted and connector.transaction is None:
        accept_tag(station, connector, question.id_tag, parent_id_tag=parent, at_s=at_s)
    elif (
        info is None
        and not station.online
        and station.configuration.flag("AllowOfflineTxForUnknownId")
    ):
        accept_tag(station, connector, question.id_tag, parent_id_tag=None, at_s=at_s)
    else:
        deny_tag(station, connector, at_s=at_s)


def accept_tag(
    station: Station,
    connector: Connector,
    id_tag: str,
    *,
    parent_id_tag: str | None,
    at_s: float,
    remote: bool = False,
) -> None:
    """A tag may charge here: start, or wait for the cable as long as ConnectionTimeOut."""
    if connector.phase not in (Phase.AVAILABLE, Phase.PREPARING, Phase.FINISHING, Phase.RESERVED):
        return deny_tag(station, connector, at_s=at_s)
    connector.authorized_tag = id_tag
    connector.parent_id_tag = parent_id_tag
    connector.tag_pending = None
    connector.remote_start = remote
    if connector.phase is not Phase.PREPARING:
        connector.move(Move.OCCUPIED)
        moved(station, connector, at_s=at_s)
    if not connector.plugged:
        timeout_s = station.configuration.seconds("ConnectionTimeOut")
        connector.plug_deadline_s = at_s + timeout_s if timeout_s else NEVER_S
        if connector.autopilot is not None:
            connector.autopilot.moved(station, connector, at_s=at_s)
    charging.start_when_ready(station, connector, at_s=at_s)
    return None


def deny_tag(station: Station, connector: Connector, *, at_s: float) -> None:
    """A tag may not charge here. The connector stays as it is; what next is the driver's affair."""
    connector.tag_pending = None
    connector.remote_start = False
    if connector.autopilot is not None:
        connector.autopilot.denied(station, at_s=at_s)


def connection_timed_out(station: Station, connector: Connector, *, at_s: float) -> None:
    """A tag was accepted and no cable came (ConnectionTimeOut)."""
    connector.plug_deadline_s = NEVER_S
    if connector.phase is Phase.PREPARING and not connector.plugged:
        charging.release(station, connector, at_s=at_s)
