"""A virtual charging station: frames, events and the time go in; frames and effects come out. No
I/O.

The shell (`fleet/actor.py`) calls `link_opened`, `link_closed`, `receive`, `tell` and `tick`, each
with the time, then writes `take_frames()` and carries out `take_effects()`, in that order.
`wake_at_s` is when `tick` is next needed. What the station does is in the modules beside this one;
this class is its state and the dispatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT, Outcome
from simfleet.ocpp.rpc import Conversation
from simfleet.station import (
    agenda,
    authorization,
    availability,
    battery_swap,
    charging,
    credentials,
    diagnostics,
    firmware,
    happenings,
    jobs,
    metering,
    network_profiles,
    registration,
    reports,
    resets,
    security,
    smart_charging,
    status,
    watching,
)
from simfleet.station.behaviour import ALWAYS_OPEN, Autopilot, Gate
from simfleet.station.charging_profiles import Profiles
from simfleet.station.connector import NO_ERROR, Connector
from simfleet.station.dialects import dialect_of
from simfleet.station.effects import Dropped, Reboot
from simfleet.station.guest import Guest
from simfleet.station.messages import (
    LASTING,
    PARTS,
    Boot,
    MeterSampled,
    SecurityNotice,
    StatusReport,
    TokenQuestion,
    TransactionStarted,
)
from simfleet.station.meter import Meter
from simfleet.station.outbox import Entry, Outbox
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration
from simfleet.station.spec import LEAVING_RETRY_S, SOFT_RESET_MAX_S
from simfleet.station.tokens import TokenCache

if TYPE_CHECKING:
    from simfleet.station.availability import Availability
    from simfleet.station.battery_swap import Swaps
    from simfleet.station.chance import Chance
    from simfleet.station.configuration import Configuration
    from simfleet.station.diagnostics import Logs
    from simfleet.station.dialects import Dialect
    from simfleet.station.display import Display
    from simfleet.station.effects import Effect
    from simfleet.station.energy import Energy
    from simfleet.station.events import Event
    from simfleet.station.faults import Faults
    from simfleet.station.firmware_state import Firmware
    from simfleet.station.local_list import LocalList
    from simfleet.station.messages import Message
    from simfleet.station.monitors import Monitors
    from simfleet.station.network_profiles import Network
    from simfleet.station.payment import Payments
    from simfleet.station.plug_and_charge import PlugAndCharge
    from simfleet.station.reservations import Reservations
    from simfleet.station.security import Security
    from simfleet.station.spec import StationSpec
    from simfleet.station.tariffs import Tariffs

NEVER_S: Final = float("inf")
ID_TAG_CHARACTERS: Final = 8
"""Hex characters of a default idTag: real CSMSs refuse other lengths than 8 or 14."""


class Station:
    """See the module. `wall_offset_s` is Unix time minus monotonic time: the clock before the CSMS
    corrects it.
    """

    __slots__ = (
        "agenda",
        "agenda_due_s",
        "aligned_due_s",
        "availability",
        "behind_s",
        "boot_due_s",
        "boot_reason",
        "chance",
        "clock_offset_s",
        "configuration",
        "connectors",
        "conversation",
        "dark",
        "dialect",
        "display",
        "effects",
        "energy",
        "errands",
        "error_code",
        "faults",
        "firmware",
        "gate",
        "given",
        "heartbeat_due_s",
        "id_tag",
        "identity",
        "inoperative",
        "leaving",
        "local_list",
        "logs",
        "monitors",
        "network",
        "offline_since_s",
        "online",
        "outbox",
        "payments",
        "plug_and_charge",
        "profiles",
        "registration",
        "reported_withdrawn",
        "reservations",
        "reset_deadline_s",
        "security",
        "spec",
        "stuck",
        "swaps",
        "tariffs",
        "tokens",
        "transactions",
        "wake_at_s",
    )

    def __init__(
        self,
        identity: str,
        spec: StationSpec,
        configuration: Configuration,
        *,
        chance: Chance,
        wall_offset_s: float,
        autopilot: bool = False,
        id_tag: str | None = None,
        register_wh: float = 0.0,
    ) -> None:
        self.identity = identity
        self.spec = spec
        self.configuration = configuration
        self.chance = chance
        self.clock_offset_s = wall_offset_s
        self.id_tag = id_tag if id_tag is not None else chance.hex(ID_TAG_CHARACTERS)
        self.dialect: Dialect = dialect_of(spec.version, spec.quirks)
        self.conversation = Conversation(
            self.dialect.catalog,
            role="station",
            id_prefix=f"{chance.hex(8)}-",
            timeout_s=spec.call_timeout_s,
        )
        self.outbox = Outbox()
        self.tokens = TokenCache()
        self.connectors = [
            Connector(number, Meter(spec.outlet(number), start_wh=register_wh))
            for number in range(1, spec.connectors + 1)
        ]
        self.registration = Registration.UNKNOWN
        self.online = False
        self.offline_since_s = 0.0
        self.boot_reason = "PowerUp"
        """Why it booted last, in the words of 2.x (BootReasonEnumType)."""
        self.dark = False
        """No power or rebooting: nothing moves until `restarted`."""
        self.leaving = False
        """Retired for good: attempts follow one another quickly."""
        self.inoperative = False
        self.reported_withdrawn = False
        """What the CSMS was last told of connector 0."""
        self.behind_s = 0.0
        """How late is what happens now, where that is known: what is said was due earlier."""
        self.error_code = NO_ERROR
        self.transactions = 0
        self.boot_due_s = NEVER_S
        self.heartbeat_due_s = NEVER_S
        self.aligned_due_s = NEVER_S
        self.reset_deadline_s = NEVER_S
        """A soft reset waits for its StopTransactions, at most until then."""
        self.agenda: dict[agenda.Entry, float] | None = None
        self.agenda_due_s = NEVER_S
        # What most stations never need is None until it is needed; each has a module of its own.
        self.profiles = Profiles() if spec.station_max_power_w is not None else None
        self.availability: Availability | None = None
        self.energy: Energy | None = None
        self.reservations: Reservations | None = None
        self.local_list: LocalList | None = None
        self.firmware: Firmware | None = None
        self.logs: Logs | None = None
        self.monitors: Monitors | None = None
        self.network: Network | None = None
        self.security: Security | None = None
        self.display: Display | None = None
        self.tariffs: Tariffs | None = None
        self.payments: Payments | None = None
        self.swaps: Swaps | None = None
        self.plug_and_charge: PlugAndCharge | None = None
        self.given = credentials.NOTHING_GIVEN
        """What the installer left for connecting; the shell knows."""
        self.gate: Gate = ALWAYS_OPEN
        """Whether new drivers come."""
        self.stuck: resets.Stuck | None = None
        self.faults: Faults | None = None
        self.errands = 0
        """Errands ever given to the shell (`Upload`, `Download` ...): the number of the last."""
        self.effects: list[Effect] = []
        self.wake_at_s = NEVER_S
        if spec.swaps_batteries:
            battery_swap.stock(self)
        if autopilot:
            self.engage()

    # ── what others ask of the state ──────────────────────────────────────────────────────────────

    def wall_s(self, at_s: float) -> float:
        """The station's own clock, Unix seconds."""
        return at_s + self.clock_offset_s

    @property
    def may_report(self) -> bool:
        """Whether a status can be told now; otherwise all are told when the CSMS listens again."""
        return self.online and self.registration is Registration.ACCEPTED

    @property
    def withdrawn(self) -> bool:
        """Whether the station as a whole is out of service: wanted, and no session in the way."""
        return self.inoperative and not any(
            connector.inoperative and (connector.charging or connector.phase is Phase.PREPARING)
            for connector in self.connectors
        )

    @property
    def keeps_samples(self) -> bool:
        """Whether StopTransaction shall carry transactionData."""
        return bool(self.configuration.sampling.for_stop)

    @property
    def drained(self) -> bool:
        """Nothing is owed to the CSMS: no transaction runs, nothing waits, no CALL is open."""
        return (
            self.conversation.idle
            and not self.outbox
            and all(connector.transaction is None for connector in self.connectors)
        )

    def connector(self, connector_id: int) -> Connector:
        """Connector by number. Raises `Refused` when there is none."""
        if not 1 <= connector_id <= len(self.connectors):
            raise Refused(
                f"{self.identity} has connectors 1 to {len(self.connectors)}, not {connector_id}"
            )
        return self.connectors[connector_id - 1]

    # ── driver's seat ─────────────────────────────────────────────────────────────────────────────

    def engage(self, *, at_s: float | None = None) -> None:
        """Let drivers come by themselves; at once if the station is registered, else when it is."""
        self.leaving = False
        for connector in self.connectors:
            if connector.autopilot is None and self.swaps is None:
                connector.autopilot = Autopilot()
                if at_s is not None and self.registration is Registration.ACCEPTED:
                    connector.autopilot.arrive(self, at_s=at_s)
            elif isinstance(connector.autopilot, Guest):
                connector.autopilot.followed = True
        if at_s is not None:
            self._settle(at_s)

    def disengage(self, *, at_s: float) -> None:
        """No new drivers; the sessions that run go on until someone ends them."""
        for connector in self.connectors:
            connector.autopilot = None
        self._settle(at_s)

    # ── inputs ────────────────────────────────────────────────────────────────────────────────────

    def link_opened(self, *, at_s: float) -> None:
        """A connection to the CSMS is up."""
        self.online = True
        if self.logs is not None:
            self.logs.note(self.wall_s(at_s), "connected")
        if self.security is not None:
            credentials.connected(self, at_s=at_s)
        if self.network is not None:
            network_profiles.connected(self)
        if self.profiles is not None:
            smart_charging.link_back(self, at_s=at_s)
        registration.connected(self, at_s=at_s)
        self._settle(at_s)

    def connect_failed(
        self, kind: str, detail: str, *, status: int | None = None, at_s: float
    ) -> None:
        """A connection could not be opened: why (a `ConnectReason`), and with which HTTP status."""
        credentials.connect_failed(self, kind, detail, status, at_s=at_s)
        if self.network is not None:
            network_profiles.connect_failed(self)
        self._settle(at_s)

    def link_closed(self, *, at_s: float) -> None:
        """The connection is gone. Transaction messages stay; the rest is forgotten."""
        if self.online:
            self.offline_since_s = at_s
        self.online = False
        status.unsaid(self)
        if self.logs is not None:
            self.logs.note(self.wall_s(at_s), "disconnected")
        if self.profiles is not None:
            smart_charging.link_lost(self, at_s=at_s)
        if self.security is not None:
            security.link_lost(self)
        if self.faults is not None:
            self.faults.link_lost(self)
        for outcome in self.conversation.link_lost(at_s=at_s):
            self._finished(outcome, at_s)
        for message in self.outbox.link_lost():
            self.effects.append(Dropped(self.dialect.action_of(message), "link_lost"))
            if isinstance(message, TokenQuestion):
                authorization.token_answered(self, message, None, at_s=at_s)
        if self.registration is Registration.UNKNOWN:
            self.boot_due_s = NEVER_S  # a pause of our own ends with the connection
        self._settle(at_s)

    def restarted(self, *, at_s: float) -> None:
        """The station has booted again (after `Reboot` or `PowerOn`): it knows what hardware keeps,
        and no more.
        """
        self.dark = False
        self.registration = Registration.UNKNOWN
        self.conversation.silent = False
        self.reset_deadline_s = self.boot_due_s = NEVER_S
        self.heartbeat_due_s = self.aligned_due_s = NEVER_S
        self.configuration.apply_pending()
        if self.network is not None:
            network_profiles.rebooted(self)
        for message in self.outbox.link_lost():
            self.effects.append(Dropped(self.dialect.action_of(message), "reboot"))
        if self.firmware is not None:
            firmware.rebooted(self, at_s=at_s)
        availability.rebooted(self)
        happenings.wake_connectors(self, at_s=at_s)
        self._settle(at_s)

    def receive(self, frame: bytes, *, at_s: float) -> None:
        """One text message from the CSMS."""
        if self.dark:
            return  # came before the socket was closed, to a station that is down
        if self.profiles is not None and self.profiles.due_s <= at_s:
            smart_charging.limits_due(self, at_s=at_s)
        conversation = self.conversation
        result = conversation.receive(frame, at_s=at_s)
        if type(result) is Outcome:
            self._finished(result, at_s)
        elif result is not None and (
            self.faults is None or not self.faults.takes(self, result, at_s=at_s)  # type: ignore[arg-type]
        ):
            self.dialect.handle(self, result, at_s=at_s)  # type: ignore[arg-type]
        if conversation.has_violations:
            violations = conversation.take_violations()
            self.effects.extend(violations)
            security.messages_broken(self, violations, at_s=at_s)
        self._settle(at_s)

    def tell(self, event: Event, *, at_s: float) -> None:
        """Something happened to the charger. Raises `Refused` (nothing changed) when it cannot."""
        if self.profiles is not None and self.profiles.due_s <= at_s and not self.dark:
            smart_charging.limits_due(self, at_s=at_s)
        happenings.happen(self, event, at_s=at_s)
        if self.logs is not None:
            self.logs.note(self.wall_s(at_s), happenings.described(event))
        self._settle(at_s)

    def tick(self, *, at_s: float) -> None:
        """Do whatever is due."""
        if self.dark:
            return
        if self.conversation.wake_at_s <= at_s:
            outcome = self.conversation.tick(at_s=at_s)
            if outcome is not None:
                self._finished(outcome, at_s)
        if self.boot_due_s <= at_s and self.online:
            registration.boot(self, due_s=self.boot_due_s)
        if self.heartbeat_due_s <= at_s and self.may_report:
            registration.beat(self, at_s=at_s)
        # The agenda first, as a reading shows the limits of its moment.
        if self.agenda_due_s <= at_s and not jobs.do_due(self, at_s=at_s):
            self.wake_at_s = NEVER_S
            return
        if self.aligned_due_s <= at_s:
            metering.take_aligned(self, at_s=at_s)
        for connector in self.connectors:
            if connector.wake_at_s() <= at_s:
                self._attend(connector, at_s)
        self._settle(at_s)

    def _attend(self, connector: Connector, at_s: float) -> None:
        if connector.change_due_s <= at_s:
            charging.changes_due(self, connector, at_s=at_s)
        if connector.sample_due_s <= at_s:
            charging.take_samples(self, connector, at_s=at_s)
        if connector.plug_deadline_s <= at_s:
            authorization.connection_timed_out(self, connector, at_s=at_s)
        if connector.status_due_s <= at_s:
            status.report_status(self, connector, at_s=at_s)
        autopilot = connector.autopilot
        if autopilot is not None and autopilot.due_s <= at_s:
            autopilot.act(self, connector, at_s=at_s)

    # ── outputs ───────────────────────────────────────────────────────────────────────────────────

    def take_frames(self) -> list[bytes]:
        """What to write now, in order; at most one CALL of ours is open among all that were ever
        taken.
        """
        return self.conversation.take_frames()

    def take_effects(self) -> list[Effect]:
        """What to report and to do, after the frames are written."""
        effects = self.effects
        if effects:
            self.effects = []
        return effects

    # ── sending ───────────────────────────────────────────────────────────────────────────────────

    def say(self, message: Message, *, due_s: float, triggered: bool = False) -> None:
        """Queue a message to the CSMS. What is dropped to make room is reported."""
        if self.faults is not None and self.faults.swallows(self, message, at_s=due_s):
            return
        dropped = self.outbox.add(message, due_s=due_s - self.behind_s, triggered=triggered)
        if dropped is not None:
            self.effects.append(Dropped(self.dialect.action_of(dropped), "queue_full"))
            if isinstance(dropped, TokenQuestion):
                authorization.token_answered(self, dropped, None, at_s=due_s)
            elif isinstance(dropped, SecurityNotice):
                security.lost(self, at_s=due_s)

    def _settle(self, at_s: float) -> None:
        """After every input: send the next message if none is open, and find out when to wake."""
        if self.dark:
            self.wake_at_s = NEVER_S
            return
        if self.monitors is not None:
            watching.look(self, at_s=at_s)
        conversation, outbox = self.conversation, self.outbox
        if self.online and (outbox.ordinary or outbox.durable):
            while conversation.idle:
                entry = outbox.next_entry(
                    at_s=at_s,
                    registered=self.registration is Registration.ACCEPTED,
                    pending=self.registration is Registration.PENDING,
                )
                if entry is None:
                    break
                self._send(entry, at_s)
        resets_now = self.reset_deadline_s != NEVER_S and (
            self.drained or at_s >= self.reset_deadline_s
        )
        if resets_now and self.reboot("SoftReset", at_s=at_s):
            return None
        wake_s = conversation.wake_at_s
        if self.aligned_due_s < wake_s:
            wake_s = self.aligned_due_s
        if self.agenda_due_s < wake_s:
            wake_s = self.agenda_due_s
        if self.reset_deadline_s < wake_s:
            wake_s = self.reset_deadline_s
        if self.online:
            if self.boot_due_s < wake_s:
                wake_s = self.boot_due_s
            if self.heartbeat_due_s < wake_s and self.registration is Registration.ACCEPTED:
                wake_s = self.heartbeat_due_s
            if at_s < outbox.blocked_until_s < wake_s:
                wake_s = outbox.blocked_until_s
        for connector in self.connectors:
            connector_s = connector.wake_at_s()
            if connector_s < wake_s:
                wake_s = connector_s
        self.wake_at_s = wake_s
        return None

    def _send(self, entry: Entry, at_s: float) -> None:
        request = self.dialect.request_for(self, entry.message)
        if request is None:
            # Its StartTransaction was given up, so the CSMS never named the transaction; or this
            # charger does not say such things.
            self.outbox.sent(entry)
            if entry.durable:
                action = self.dialect.action_of(entry.message)
                self.outbox.done(entry)
                self.effects.append(Dropped(action, "no_transaction_id"))
            return
        if self.faults is not None:
            return self.faults.send(self, entry, request, at_s=at_s)
        self.outbox.sent(entry)
        self.conversation.call(request, at_s=at_s, due_s=entry.due_s, context=entry)

    def _finished(self, outcome: Outcome, at_s: float) -> None:
        """One CALL of ours has ended."""
        self.effects.append(outcome)
        entry = outcome.context
        assert isinstance(entry, Entry)
        if self.faults is not None and self.faults.finished(self, entry, outcome):
            return
        message = entry.message
        if outcome.failure is None:
            if entry.durable:
                self.outbox.done(entry)
            assert outcome.response is not None
            self.dialect.answered(self, message, outcome.response, at_s=at_s)
            return
        if entry.durable and outcome.failure != LINK_LOST:
            self._try_again(entry, at_s)
        elif isinstance(message, Boot) and outcome.failure != LINK_LOST:
            registration.boot_failed(self, at_s=at_s)
        elif isinstance(message, TokenQuestion):
            authorization.token_answered(self, message, None, at_s=at_s)
        elif isinstance(message, SecurityNotice):
            security.failed(self, outcome, at_s=at_s)
        elif isinstance(message, MeterSampled) and outcome.failure == LINK_LOST:
            self.effects.append(Dropped("MeterValues", "link_lost"))
        elif isinstance(message, LASTING) and outcome.failure in (LINK_LOST, TIMED_OUT):
            if outcome.failure == LINK_LOST or self.outbox.may_repeat(entry):
                self.outbox.unsent(entry)
        elif isinstance(message, PARTS) and outcome.failure != LINK_LOST:
            reports.go_on(self, message, at_s=at_s)
        elif isinstance(message, StatusReport) and message.connector_id:
            self.connectors[message.connector_id - 1].reported = None

    def _try_again(self, entry: Entry, at_s: float) -> None:
        interval_s = self.configuration.seconds("TransactionMessageRetryInterval")
        keeps = self.outbox.failed(
            entry,
            attempts_max=max(1, self.configuration.whole("TransactionMessageAttempts")),
            interval_s=min(interval_s, LEAVING_RETRY_S) if self.leaving else interval_s,
            at_s=at_s,
        )
        if not keeps:
            if self.faults is not None:
                self.faults.given_up(self, entry)
            self.effects.append(Dropped(self.dialect.action_of(entry.message), "attempts_used_up"))

    # ── reset ─────────────────────────────────────────────────────────────────────────────────────

    def reset(self, *, hard: bool, at_s: float) -> None:
        """Reboot: soft ends its transactions first and waits until the CSMS knows; hard goes down
        at once.
        """
        reason = "HardReset" if hard else "SoftReset"
        for connector in self.connectors:
            if connector.transaction is not None:
                charging.end(self, connector, reason=reason, at_s=at_s)
        if hard:
            self.reboot(reason, at_s=at_s)
        else:
            self.reset_deadline_s = at_s + SOFT_RESET_MAX_S

    def reboot(self, reason: str, *, at_s: float) -> bool:
        """Go down and boot anew; False if the hardware hangs."""
        self.reset_deadline_s = NEVER_S
        if self.stuck is not None and resets.sticks(self, reason, at_s=at_s):
            return False
        self.boot_reason = resets.boot_reason(self, reason)
        security.rebooting(self, reason, at_s=at_s)
        self.go_dark(reason, at_s=at_s)
        self.wake_at_s = NEVER_S
        self.effects.append(Reboot(self.spec.reboot_s))
        return True

    def go_dark(self, reason: str, *, at_s: float) -> None:
        """Go down: transactions end for this reason (a driver may have come while a soft reset
        waited), and tags are forgotten.
        """
        for connector in self.connectors:
            if self.dialect.accounts.outlasts(self, connector, reason=reason, at_s=at_s):
                continue
            if connector.transaction is not None:
                charging.end(self, connector, reason=reason, at_s=at_s)
            self.dialect.accounts.gone_dark(self, connector, reason=reason, at_s=at_s)
            connector.forget_tag()
            connector.target_wh = None
        if self.firmware is not None:
            firmware.went_dark(self)
        if self.logs is not None:
            diagnostics.went_dark(self, at_s=at_s)
        if self.swaps is not None:
            battery_swap.went_dark(self)
        self.dark = True

    def started(self, message: TransactionStarted, *, transaction_id: int) -> None:
        """The CSMS has named a transaction: everything queued behind it will carry the id."""
        message.transaction.id = transaction_id
