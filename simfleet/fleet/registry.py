"""The named chargers of all users: made, found, renamed, removed, and kept in the store.

One supervisor runs those that are on. What a charger's hardware keeps is saved soon after each
frame that it sends and each event that it reports, and every few seconds while it charges, many
chargers at a time. `run` brings back the chargers of the store in the mode they had.

A charger belongs to one user; to everybody else it does not exist, except that its identity is
taken: a CSMS could not tell two apart.
"""

from __future__ import annotations

import logging
import secrets
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.errors import SimFleetError
from simfleet.fleet import charger_refusals as refusals
from simfleet.fleet import charger_rules as rules
from simfleet.fleet.charger_rules import NewCharger
from simfleet.fleet.charger_saver import KeptSaver
from simfleet.fleet.charger_site import ChargerStore, Owner, Site
from simfleet.fleet.charger_state import ChargerState, Definition
from simfleet.fleet.keyring import Keyring
from simfleet.fleet.named_charger import NamedCharger
from simfleet.fleet.named_recorder import FrameSink, NamedRecorder
from simfleet.fleet.orders import Mode, Surroundings
from simfleet.fleet.supervisor import Supervisor, Vacancy
from simfleet.fleet.user_settings import (
    SettingsChange,
    UserSettings,
    settings_after,
    stored_settings,
)
from simfleet.link.link import DEFAULT_OPTIONS, Dialer, LinkOptions
from simfleet.models.catalogue import Catalogue, built_in
from simfleet.observe.lag import ScheduleLag
from simfleet.station.chance import Chance
from simfleet.station.memory import decode_kept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simfleet.clock import WallClock
    from simfleet.fleet.actor import Charger
    from simfleet.fleet.charger_life import ChargerLife
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.observe.hub import Hub

__all__ = [
    "ChargerState",
    "ChargerStore",
    "FrameSink",
    "NamedCharger",
    "NewCharger",
    "Registry",
    "SettingsChange",
    "UserSettings",
]

LAST_SAVE_S: Final = 5.0
"""How long saving may take when the service stops."""
HANDSHAKES_MAX: Final = 100
"""Named chargers that open a link at the same time."""

_log = logging.getLogger(__name__)


class _Supervisor(Supervisor):
    """Tells when a charger has gone for good."""

    def __init__(
        self,
        surroundings: Surroundings,
        clock: WallClock,
        *,
        make: Callable[[ChargerPlan, Mode], Charger],
        departed: Callable[[str], None],
    ) -> None:
        super().__init__(surroundings, clock, make=make)
        self._departed = departed

    async def _supervise(self, plan: ChargerPlan, place: Charger | Vacancy) -> None:
        try:
            await super()._supervise(plan, place)
        finally:
            self._departed(plan.identity)


class Registry:
    """See the module. `recorder` counts frames, connections and problems of all named chargers."""

    def __init__(
        self,
        store: ChargerStore,
        *,
        clock: WallClock,
        dial: Dialer,
        default_url: str,
        hub: Hub | None = None,
        journal: FrameSink | None = None,
        schedule_lag: ScheduleLag | None = None,
        options: LinkOptions = DEFAULT_OPTIONS,
        keyring: Keyring | None = None,
        handshakes_max: int = HANDSHAKES_MAX,
        seed: int | None = None,
        models: Catalogue | None = None,
    ) -> None:
        """`default_url` is where chargers connect whose users have set nothing: the embedded CSMS.

        `models` are the charger models that chargers can be of; None: the built-in ones.
        `options` and `keyring` are what an installer leaves with all of them.
        `seed` makes vehicles and waiting times repeatable, for tests; None: they never repeat.
        """
        self.default_settings = UserSettings(ocpp_backend_url=default_url)
        self.models = built_in() if models is None else models
        self._store = store
        self._living: dict[str, ChargerLife] = {}
        self.recorder = NamedRecorder(
            clock,
            hub=hub,
            schedule_lag=schedule_lag or ScheduleLag(),
            journal=journal,
            witnesses=self._living,
        )
        surroundings = Surroundings(
            dial,
            default_url,
            options,
            trio.Semaphore(handshakes_max),
            self.recorder,
            keyring=keyring or Keyring(),
        )
        self._supervisor = _Supervisor(
            surroundings,
            clock,
            make=lambda plan, mode: self._living[plan.identity].make(mode),
            departed=lambda identity: self._living[identity].departed(),
        )
        self.saver = KeptSaver(store, living=self._living.values)
        self._serials = count(1)
        self._seed = seed if seed is not None else secrets.randbits(64)
        self._site = self._site_in(surroundings, clock)
        self._chargers: dict[str, NamedCharger] = {}
        self._taken: set[str] = set()
        """Identities about to be given."""
        self._owners: dict[int, Owner] = {}
        self._settings_lock = trio.Lock()
        self._nursery: trio.Nursery | None = None

    def _site_in(self, surroundings: Surroundings, clock: WallClock) -> Site:
        """What all chargers of this registry are given."""
        return Site(
            clock=clock,
            dial=surroundings.dial,
            options=surroundings.options,
            keyring=surroundings.keyring,
            handshakes=surroundings.handshakes,
            clockwork=surroundings.clockwork,
            errands=surroundings.errands,
            recorder=self.recorder,
            supervisor=self._supervisor,
            store=self._store,
            chance=lambda: Chance.of(self._seed, next(self._serials)),
            living=self._living,
            models=self.models,
            touched=self.saver.touch,
            start_soon=self._start_soon,
        )

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load the chargers of the store, run them until cancelled, and save what they keep."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self._supervisor.run)
                await self._load()
                task_status.started()
                await self.saver.run()
        finally:
            self._nursery = None
            with trio.move_on_after(LAST_SAVE_S, shield=True):
                await self.saver.save(self._chargers.values())

    async def _load(self) -> None:
        """Bring back what the store has. A charger that cannot be read is left alone, and said."""
        for stored in await self._store.chargers():
            try:
                definition = msgspec.json.decode(stored.made, type=Definition)
                mode = rules.charger_mode(stored.mode)
                kept = decode_kept(stored.kept) if stored.kept else None
                model = rules.model_of(definition.model, self.models)
                rules.factory_settings(definition, model)
            except (msgspec.DecodeError, SimFleetError) as error:
                _log.error("charger %s cannot be read: %s", stored.chargepoint_id, error)
                self._taken.add(stored.chargepoint_id)
                continue
            owner = await self._owner(stored.user_id)
            charger = NamedCharger(
                stored.chargepoint_id,
                definition,
                owner=owner,
                site=self._site,
                mode=mode,
                kept=kept,
            )
            charger.saved_kept = stored.kept
            self._chargers[stored.chargepoint_id] = charger
        coming = [charger for charger in self._chargers.values() if charger.mode != "off"]
        for charger in coming:
            charger.prepare()
        await self.saver.save(
            coming
        )  # before anything goes on the wire: message ids never come back
        for charger in coming:
            await charger.resume()

    def _start_soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done that nobody waits for, or nobody may interrupt by going away."""
        if self._nursery is not None:
            self._nursery.start_soon(work)

    # ── chargers ────────────────────────────────────────────────────────────────────────────────

    async def create(self, user_id: int, new: NewCharger) -> NamedCharger:
        """Make a charger, which is off. Raises `Invalid`, `ChargerExists`, and what the store
        raises.
        """
        definition = rules.definition_of(new, self.models)
        identity = new.chargepoint_id
        self._reserve(identity)
        try:
            owner = await self._owner(user_id)
            charger = NamedCharger(identity, definition, owner=owner, site=self._site)
            await self._store.save_charger(charger.record())
            self._chargers[identity] = charger
        finally:
            self._taken.discard(identity)
        return charger

    def of(self, user_id: int) -> list[NamedCharger]:
        """A user's chargers, oldest first."""
        return [charger for charger in self._chargers.values() if charger.user_id == user_id]

    def find(self, user_id: int, chargepoint_id: str) -> NamedCharger:
        """A charger of this user. Raises `ChargerMissing`, also for one of another user."""
        charger = self._chargers.get(chargepoint_id)
        if charger is None or charger.user_id != user_id:
            raise refusals.ChargerMissing(chargepoint_id)
        return charger

    async def rename(self, user_id: int, chargepoint_id: str, new_id: str) -> NamedCharger:
        """Give a charger that is off another identity. Raises `Invalid`, `ChargerMissing`,
        `ChargerNotOff`, `ChargerExists`.
        """
        rules.chargepoint_id(new_id)
        charger = self.find(user_id, chargepoint_id)
        async with charger.resting():
            if new_id == charger.identity:
                return charger
            self._reserve(new_id)
            try:
                await self._store.rename_charger(charger.identity, new_id)
                self._chargers = {
                    new_id if one is charger else identity: one
                    for identity, one in self._chargers.items()
                }
                old_id, charger.identity = charger.identity, new_id
                # A save under way may have gone to the old name.
                charger.saved_kept = b""
                self.saver.touch(charger)
                await charger.follow_identity(old_id)
            finally:
                self._taken.discard(new_id)
        return charger

    async def delete(self, user_id: int, chargepoint_id: str) -> None:
        """Remove a charger that is off, for good. Raises `ChargerMissing`, `ChargerNotOff`."""
        charger = self.find(user_id, chargepoint_id)
        async with charger.resting():
            await self._store.delete_charger(charger.identity)
            charger.deleted = True
            del self._chargers[charger.identity]

    def forget_user(self, user_id: int) -> None:
        """Turn off and forget the chargers of a user whom the store has removed."""
        for charger in self.of(user_id):
            charger.deleted = True
            self._chargers.pop(charger.identity, None)
            charger.leave()
        self._owners.pop(user_id, None)

    def _reserve(self, identity: str) -> None:
        """Take an identity at once, so that nobody else gets it while it is being saved."""
        if identity in self._chargers or identity in self._taken or identity in self._living:
            raise refusals.ChargerExists(identity)
        self._taken.add(identity)

    # ── settings ────────────────────────────────────────────────────────────────────────────────

    async def settings(self, user_id: int) -> UserSettings:
        """What holds for a user's chargers."""
        return (await self._owner(user_id)).settings

    async def change_settings(self, user_id: int, change: SettingsChange) -> UserSettings:
        """Change all of these, or none (`Invalid`), and have the user's chargers follow at once.

        Chargers that have to connect elsewhere do so in the background.
        """
        async with self._settings_lock:
            owner = await self._owner(user_id)
            before = owner.settings
            after = settings_after(before, change, default=self.default_settings)
            if after == before:
                return after
            await self._store.save_settings(user_id, _as_text(before, after))
            owner.settings = after
        for charger in self.of(user_id):
            if charger.settings_changed(before):
                charger.move_soon()
        return after

    async def _owner(self, user_id: int) -> Owner:
        owner = self._owners.get(user_id)
        if owner is None:
            stored = await self._store.settings_of(user_id)
            settings = stored_settings(stored, default=self.default_settings)
            # Somebody else may have asked meanwhile; there is one owner per user.
            owner = self._owners.setdefault(user_id, Owner(user_id, settings))
        return owner


def _as_text(before: UserSettings, after: UserSettings) -> dict[str, str]:
    """What is new, as the store has it."""
    return {
        name: str(getattr(after, name))
        for name in UserSettings.__struct_fields__
        if getattr(after, name) != getattr(before, name)
    }
