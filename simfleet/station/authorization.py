"""Tags: who may charge, say the CSMS, the local list, the cache and the reservations, and the rules
for being offline (OCPP 1.6 section 3.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from simfleet.errors import Refused
from simfleet.station import charging, local_list, payment, plug_and_charge
from simfleet.station.configuration_keys2 import BEFORE_ACCEPTED, MASTER_GROUP
from simfleet.station.connector import NEVER_S
from simfleet.station.messages import TokenQuestion
from simfleet.station.phase import Move, Phase
from simfleet.station.registration import Registration
from simfleet.station.status import moved
from simfleet.station.tokens import TokenInfo, is_unasked, same_tag, typed

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.reservations import Verdict
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction

TO_START: Final = "start"
TO_STOP: Final = "stop"
TO_SWAP: Final = "swap"
"""Of batteries (2.1)."""
AUTHORIZES: Final = "AuthCtrlr.Enabled"
CACHE_LIFE: Final = "AuthCacheCtrlr.LifeTime"
CACHE_IS_FINAL: Final = "AuthCacheCtrlr.DisablePostAuthorize"
LIST_IS_FINAL: Final = "LocalAuthListCtrlr.DisablePostAuthorize"
_TAKES_TAGS: Final = (Phase.AVAILABLE, Phase.PREPARING, Phase.FINISHING, Phase.RESERVED)


def present_token(station: Station, connector: Connector, id_tag: str, *, at_s: float) -> None:
    """A tag at the reader: starts a session, or stops the one it (or its group) started. One that
    may not charge, or not here, is refused as at a reader: nothing happens.
    """
    if ":" in id_tag:
        _check_type(station, id_tag)
    session = connector.transaction or connector.held
    if session is not None:
        if same_tag(id_tag, session.id_tag):  # needs no Authorize (OCPP 1.6 section 4.8)
            _finish(station, connector, id_tag, at_s=at_s)
        elif is_unasked(id_tag):
            return None  # a button does not end what a tag has begun
        elif _can_ask(station):
            ask(station, connector, id_tag, purpose=TO_STOP, at_s=at_s)
        else:
            _stop_with(station, connector, id_tag, _trusted_offline(station, id_tag, at_s), at_s)
        return
    if connector.phase not in _TAKES_TAGS or connector.inoperative:
        raise Refused(f"connector {connector.id} is {connector.phase} and takes no tag")
    if station.registration is not Registration.ACCEPTED and (
        station.configuration.get(BEFORE_ACCEPTED) == "false"
    ):
        return deny_tag(station, connector, at_s=at_s)  # 2.0.1 B02, B03
    claim = reserved_for(station, connector, id_tag, at_s=at_s)
    if (
        payment.kept_for_web(station, connector, at_s=at_s)
        or claim == "no"
        or plug_and_charge.refuses(station, id_tag, connector.id, at_s=at_s)
    ):
        deny_tag(station, connector, at_s=at_s)
    elif not needs_asking(station, id_tag):
        accept_tag(station, connector, id_tag, parent_id_tag=None, at_s=at_s)
    elif not _can_ask(station):
        _start_offline(station, connector, id_tag, at_s)
    else:
        authorize(station, connector, id_tag, surely=claim == "ask", at_s=at_s)
    return None


def _check_type(station: Station, id_tag: str) -> None:
    """Raise `Refused` for a tag of a type that the version cannot name; 2.1 can name any."""
    kind, _ = typed(id_tag)
    types = get_args(getattr(station.dialect.m, "IdTokenEnum", None))
    if types and kind not in types:
        raise Refused(f"a tag of type {kind!r} cannot be read here; known: {', '.join(types)}")


def needs_asking(station: Station, id_tag: str) -> bool:
    """Whether a tag may charge only once it is known to be good. Not at a charger that is free for
    all, nor (2.x) where AuthCtrlr.Enabled is false, nor for tags that nobody is asked about.
    """
    if station.spec.free_charging or is_unasked(id_tag):
        return False
    return station.configuration.get(AUTHORIZES) != "false"


def _can_ask(station: Station) -> bool:
    """Whether an Authorize will be answered soon: not without a link, nor while the CSMS has put
    the station off (Pending, Rejected).
    """
    put_off = (Registration.PENDING, Registration.REJECTED)
    return station.online and station.registration not in put_off


def authorize(
    station: Station,
    connector: Connector,
    id_tag: str,
    *,
    at_s: float,
    surely: bool = False,
    remote: bool = False,
) -> None:
    """Start for a tag once it is known to be good. The list and the cache may say so where
    LocalPreAuthorize is true, but not when the CSMS has to be asked for the tag's parent
    (`surely`). Raises `Refused` while another tag is asked about.
    """
    known = known_of(station, id_tag, at_s=at_s)
    trusts = station.configuration.flag("LocalPreAuthorize") and not surely
    here = None if known is None else known.here(connector.id)
    if trusts and here is not None and here.status != "Accepted" and _is_final(station, id_tag):
        deny_tag(station, connector, at_s=at_s)
    elif trusts and here is not None and here.status == "Accepted":
        parent_id_tag = here.parent_id_tag
        accept_tag(
            station, connector, id_tag, parent_id_tag=parent_id_tag, at_s=at_s, remote=remote
        )
    else:
        ask(station, connector, id_tag, purpose=TO_START, at_s=at_s)
        connector.remote_start = remote


def reserved_for(
    station: Station,
    connector: Connector,
    id_tag: str,
    *,
    at_s: float,
    parent_id_tag: str | None = None,
) -> Verdict:
    """Whether a tag may use a connector, as far as reservations and what is known of its parent
    go.
    """
    if station.reservations is None:
        return "yes"
    known = known_of(station, id_tag, at_s=at_s)
    if known is not None and known.parent_id_tag is not None:
        parent_id_tag = known.parent_id_tag
    return station.reservations.verdict(station, connector, id_tag, parent_id_tag)


def known_of(station: Station, id_tag: str, *, at_s: float) -> TokenInfo | None:
    """The word of the local list on a tag, else that of the cache; None where neither is used or
    knows it.
    """
    listed = local_list.find(station, id_tag, at_s=at_s)
    if listed is not None:
        return listed
    if not station.configuration.flag("AuthorizationCacheEnabled"):
        return None
    return station.tokens.find(id_tag, wall_s=station.wall_s(at_s))


def _is_final(station: Station, id_tag: str) -> bool:
    """Whether the CSMS is not asked about a tag that list or cache know as bad (2.x,
    DisablePostAuthorize).
    """
    listed = local_list.names(station, id_tag)
    return station.configuration.get(LIST_IS_FINAL if listed else CACHE_IS_FINAL) == "true"


def learn(station: Station, id_tag: str, info: TokenInfo, *, at_s: float | None = None) -> None:
    """Put the CSMS's word on a tag into the cache, where there is one, for as long as it says, or
    else (2.x) for AuthCacheCtrlr.LifeTime. Tags that the local list names are not cached, nor those
    that are good at some EVSEs only, as the cache knows no EVSEs; ConcurrentTx is about a
    transaction and says nothing of the tag.
    """
    if info.status == "ConcurrentTx" or info.evse_ids or is_unasked(id_tag):
        return
    if local_list.names(station, id_tag):
        return
    if not station.configuration.flag("AuthorizationCacheEnabled"):
        return
    if info.expires_wall_s is None and at_s is not None:
        life_s = station.configuration.seconds(CACHE_LIFE)
        if life_s:
            info = info._replace(expires_wall_s=station.wall_s(at_s) + life_s)
    station.tokens.learn(id_tag, info)


def _trusted_offline(station: Station, id_tag: str, at_s: float) -> TokenInfo | None:
    """What may be relied on while nobody can be asked: list and cache where LocalAuthorizeOffline
    says so, else AllowOfflineTxForUnknownId for tags of which nothing is known. A tag known as bad
    never charges.
    """
    if not plug_and_charge.trusted_offline(station, id_tag, at_s=at_s):
        return None
    known = known_of(station, id_tag, at_s=at_s)
    if known is None:
        unknown_ok = station.configuration.flag("AllowOfflineTxForUnknownId")
        return TokenInfo("Accepted", None, None) if unknown_ok else None
    return known if station.configuration.flag("LocalAuthorizeOffline") else None


def _start_offline(station: Station, connector: Connector, id_tag: str, at_s: float) -> None:
    trusted = _trusted_offline(station, id_tag, at_s)
    if trusted is not None and trusted.here(connector.id).status == "Accepted":
        parent_id_tag = trusted.parent_id_tag
        accept_tag(station, connector, id_tag, parent_id_tag=parent_id_tag, at_s=at_s)
    else:
        deny_tag(station, connector, at_s=at_s)


def _stop_with(
    station: Station, connector: Connector, id_tag: str, info: TokenInfo | None, at_s: float
) -> None:
    """Another tag than the one that started: it ends the session if both are of one group."""
    session: Transaction | None = connector.transaction or connector.held
    if session is None or info is None or info.status != "Accepted":
        return
    if _is_master(station, info):
        _finish(station, connector, id_tag, reason="MasterPass", at_s=at_s)
    elif same_tag(info.parent_id_tag, session.parent_id_tag):
        _finish(station, connector, id_tag, at_s=at_s)


def _is_master(station: Station, info: TokenInfo) -> bool:
    """Whether a tag stops any session and starts none (2.0.1 C16, MasterPassGroupId)."""
    master, group = station.configuration.get(MASTER_GROUP), info.parent_id_tag
    return bool(master) and group is not None and same_tag(typed(group)[1], master)


def _finish(
    station: Station, connector: Connector, id_tag: str, *, at_s: float, reason: str = "Local"
) -> None:
    """End the transaction, or give back the cable of the one that ended."""
    if connector.transaction is None:
        charging.let_go(station, connector, at_s=at_s)
    else:
        charging.end(station, connector, reason=reason, at_s=at_s, id_tag=id_tag)


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
    if question.purpose == TO_SWAP:
        return  # nobody has answered: the driver may try again
    if info is not None and question.purpose == TO_START:
        info = info.here(connector.id)
        if _is_master(station, info):
            info = info._replace(status="Invalid")
    if info is None and not station.online:
        if question.purpose == TO_START:
            _start_offline(station, connector, question.id_tag, at_s)
    elif question.purpose == TO_STOP:
        _stop_with(station, connector, question.id_tag, info, at_s)
    elif info is not None and info.status == "Accepted" and connector.transaction is None:
        parent_id_tag = info.parent_id_tag
        remote = connector.remote_start
        accept_tag(
            station,
            connector,
            question.id_tag,
            parent_id_tag=parent_id_tag,
            at_s=at_s,
            remote=remote,
        )
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
    """A tag may charge: start, or wait for the cable as long as ConnectionTimeOut; unless the
    connector is another's meanwhile.
    """
    held = station.reservations
    ours = held is None or held.verdict(station, connector, id_tag, parent_id_tag) == "yes"
    if connector.phase not in _TAKES_TAGS or not ours:
        return deny_tag(station, connector, at_s=at_s)
    connector.authorized_tag = id_tag
    if parent_id_tag is not None or not remote:  # else that of the RemoteStart
        connector.parent_id_tag = parent_id_tag
    if not remote:
        connector.remote_start_id = None
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
    station.dialect.accounts.authorized(station, connector, at_s=at_s)
    charging.start_when_ready(station, connector, at_s=at_s)
    return None


def deny_tag(station: Station, connector: Connector, *, at_s: float) -> None:
    """A tag may not charge here. The connector stays as it is; what next is the driver's affair."""
    connector.tag_pending = connector.target_wh = None
    connector.remote_start = False
    if connector.authorized_tag is None:
        connector.start_profile = connector.remote_start_id = connector.parent_id_tag = None
    if connector.autopilot is not None:
        connector.autopilot.denied(station, at_s=at_s)


def connection_timed_out(station: Station, connector: Connector, *, at_s: float) -> None:
    """A tag was accepted and no cable came (ConnectionTimeOut)."""
    connector.plug_deadline_s = NEVER_S
    if connector.phase is Phase.PREPARING and not connector.plugged:
        if station.reservations is not None:
            station.reservations.unused(station, connector, at_s=at_s)
        station.dialect.accounts.timed_out(station, connector, at_s=at_s)
        charging.release(station, connector, at_s=at_s)
