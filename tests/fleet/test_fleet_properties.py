"""Whatever is wished for and whatever goes wrong, the books balance in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from builders_fleet import Fleet, a_fleet
from simfleet.errors import Refused
from simfleet.fleet.actor import Charger
from simfleet.fleet.orders import Mode
from simfleet.ocpp.v16.messages import (
    ChangeAvailabilityRequest,
    RemoteStartTransactionRequest,
    ResetRequest,
    TriggerMessageRequest,
    UnlockConnectorRequest,
)
from simfleet.station.events import (
    Failed,
    FaultCleared,
    PluggedIn,
    PowerLost,
    PowerRestored,
    StartRequested,
    StopRequested,
    TakeSample,
    TokenPresented,
    Unplugged,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.ocpp.wire import Wire
    from simfleet.station.events import Event

CHARGERS = 4

NUMBERS = st.integers(0, CHARGERS - 1)
EVENTS: st.SearchStrategy[Event] = st.sampled_from(
    [
        Failed(),
        FaultCleared(),
        PluggedIn(),
        PowerLost(),
        PowerRestored(),
        StartRequested(energy_wh=200.0),
        StopRequested(),
        TakeSample(),
        TokenPresented(),
        Unplugged(),
    ]
)
COMMANDS: st.SearchStrategy[Wire] = st.sampled_from(
    [
        ResetRequest(type="Hard"),
        ResetRequest(type="Soft"),
        RemoteStartTransactionRequest(id_tag="REMOTE01"),
        UnlockConnectorRequest(connector_id=1),
        ChangeAvailabilityRequest(connector_id=0, type="Inoperative"),
        ChangeAvailabilityRequest(connector_id=0, type="Operative"),
        TriggerMessageRequest(requested_message="BootNotification"),
        TriggerMessageRequest(requested_message="MeterValues"),
    ]
)
STEPS = st.one_of(
    st.tuples(
        st.just("apply"),
        st.integers(0, CHARGERS),
        st.sampled_from(list(Mode)),
        st.sampled_from([0.0, 1.0, 20.0]),
    ),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.001, 0.1, 1.0, 5.0, 30.0, 61.0, 400.0])),
    st.sampled_from([("down",), ("up",)]),
    st.tuples(st.just("freeze"), st.sampled_from([0.5, 10.0, 45.0])),
    st.tuples(st.just("cut"), NUMBERS),
    st.tuples(st.just("command"), NUMBERS, COMMANDS),
    st.tuples(st.just("event"), NUMBERS, EVENTS),
)


async def take(fleet: Fleet, step: tuple[object, ...], nursery: trio.Nursery) -> None:
    """Do one step."""
    match step:
        case ("apply", int() as target, Mode() as mode, float() as over_s):
            # Time enough to deliver what was owed, whatever the outage.
            fleet.mass.apply(target, mode, over_s=over_s, drain_s=1e6)
        case ("pass", float() as for_s):
            await trio.sleep(for_s)
        case ("down",):
            fleet.csms_down()
        case ("up",):
            await fleet.csms_up()
        case ("freeze", float() as for_s):
            fleet.csms.freeze(for_s)
        case ("cut", int() as n):
            fleet.cut(fleet.plans[n].identity)
        case ("command", int() as n, request):
            nursery.start_soon(command, fleet, fleet.plans[n].identity, request)
        case ("event", int() as n, happening):
            charger = fleet.supervisor.chargers.get(fleet.plans[n].identity)
            if charger is not None:
                charger.post(happening)  # type: ignore[arg-type]
        case _:
            raise AssertionError(step)


async def command(fleet: Fleet, identity: str, request: Any) -> None:
    """A CALL of the CSMS, if the charger is connected."""
    try:
        await fleet.csms.command(identity, request)
    except Refused:
        return


async def live_through(steps: Sequence[tuple[object, ...]], seed: int) -> None:
    # A stop that is answered late is sent again, and CSMSs count that, so time-outs of transaction
    # messages are out of the picture: they never give up.
    configuration = {
        "AllowOfflineTxForUnknownId": "true",
        "TransactionMessageAttempts": "1000",
        "TransactionMessageRetryInterval": "1",
    }
    async with a_fleet(chargers=CHARGERS, seed=seed, configuration=configuration) as fleet:
        async with trio.open_nursery() as nursery:
            fleet.mass.apply(CHARGERS, Mode.CHARGING)
            await trio.sleep(15)
            for step in steps:
                await take(fleet, step, nursery)
            await fleet.csms_up()
            await trio.sleep(0.001)  # the last event has happened
            for charger in fleet.supervisor.chargers.values():
                if isinstance(charger, Charger) and charger.station.dark:
                    charger.post(PowerRestored())
            fleet.mass.apply(0, Mode.CHARGING, drain_s=1e6)
            with trio.fail_after(3600):
                await fleet.mass.settled()
                await fleet.supervisor.wait_empty()
            nursery.cancel_scope.cancel()
        event(f"transactions: {min(fleet.ledger.opened, 12)}")
        assert_once_each(fleet)


def assert_once_each(fleet: Fleet) -> None:
    """What the chargers did is what the CSMS knows, whatever had to be sent again."""
    books, csms = fleet.ledger.snapshot(), fleet.csms.ledger()
    assert books["faults"] == []
    opened = books["transactions_opened"]
    assert books["transactions_closed"] == opened
    assert books["starts_delivered"] == books["stops_delivered"] == opened
    assert books["undelivered_messages"] == books["transactions_abandoned"] == 0
    assert abs(books["energy_wh"] - books["integral_wh"]) <= 1e-3 + 1e-6 * books["energy_wh"]
    assert csms["starts"] == csms["stops"] == opened
    assert csms["transactions_open"] == csms["stop_unknown"] == 0
    assert csms["stopped_twice"] == csms["stop_retries"]  # the same message again
    assert csms["register_decreases"] == csms["violations"] == 0, csms
    assert csms["calls_before_boot"] == 0
    assert fleet.wire.overlaps == []
    assert fleet.recorder.counters.crashes.kept == []
    assert fleet.recorder.counters.connect.connected == 0


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=25), seed=st.integers(0, 2**16))
def test_every_transaction_is_started_stopped_and_delivered_once_whatever_happens(
    steps: list[tuple[object, ...]], seed: int
) -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(live_through, steps, seed, clock=clock)
