from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from builders_http import KEY, an_app
from simfleet.api import limits
from simfleet.api.limits import Limiter, Limits, client_of
from simfleet.api.sse import Streams
from simfleet.errors import TooMany
from simfleet.settings import Settings


def test_one_seconds_worth_passes_at_once_and_then_the_rate() -> None:
    limiter = Limiter(Limits(per_client_per_s=10, total_per_s=0), at_s=0.0)
    assert [limiter.admit("a", at_s=0.0) for _ in range(10)] == [0.0] * 10
    assert limiter.admit("a", at_s=0.0) == pytest.approx(0.1)
    assert limiter.admit("a", at_s=0.1) == 0.0
    assert limiter.admit("a", at_s=0.1) > 0
    assert limiter.refused == 2


def test_one_client_does_not_use_up_anothers_rate() -> None:
    limiter = Limiter(Limits(per_client_per_s=1, total_per_s=0), at_s=0.0)
    assert limiter.admit("a", at_s=0.0) == 0.0
    assert limiter.admit("a", at_s=0.0) > 0
    assert limiter.admit("b", at_s=0.0) == 0.0


def test_all_clients_together_share_the_total() -> None:
    limiter = Limiter(Limits(per_client_per_s=10, total_per_s=3), at_s=0.0)
    assert [limiter.admit(name, at_s=0.0) > 0 for name in "abcd"] == [False, False, False, True]


def test_a_refused_request_uses_up_nothing() -> None:
    limiter = Limiter(Limits(per_client_per_s=2, total_per_s=3), at_s=0.0)
    for _ in range(100):
        limiter.admit("a", at_s=0.0)
    assert limiter.admit("b", at_s=0.0) == 0.0


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.1, 50))
def test_whoever_waits_as_long_as_told_is_admitted(gaps_s: list[float], per_s: float) -> None:
    limiter = Limiter(Limits(per_client_per_s=per_s, total_per_s=0), at_s=0.0)
    at_s = 0.0
    for gap_s in gaps_s:
        at_s += gap_s
        wait_s = limiter.admit("a", at_s=at_s)
        if wait_s > 0:
            at_s += wait_s
            assert limiter.admit("a", at_s=at_s) == 0.0


def test_no_more_clients_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLIENTS_MAX", 3)
    limiter = Limiter(Limits(per_client_per_s=1, total_per_s=0), at_s=0.0)
    for name in "abcab":
        limiter.admit(name, at_s=0.0)
    limiter.admit("d", at_s=0.0)  # "c" has been quiet longest
    assert len(limiter) == 3
    assert limiter.admit("a", at_s=0.0) > 0
    assert limiter.admit("c", at_s=0.0) == 0.0


def test_without_limits_everything_passes() -> None:
    limiter = Limiter(Limits(per_client_per_s=0, total_per_s=0), at_s=0.0)
    assert {limiter.admit("a", at_s=0.0) for _ in range(10_000)} == {0.0}
    assert len(limiter) == 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("<local>", "<local>"),
        (":", ":"),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    "settings",
    [Settings(requests_per_s_per_ip=2, requests_per_s=0), Settings(requests_per_s=2)],
)
async def test_too_many_requests_are_answered_429_and_later_ones_again(
    settings: Settings, autojump_clock: trio.testing.MockClock
) -> None:
    client = an_app(settings=settings).test_client()
    answers = [await client.get("/health") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert await refused.get_json() == {
        "error": "too many requests; slow down",
        "code": "RATE_LIMITED",
    }
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-Error-Code"] == "RATE_LIMITED"
    await trio.sleep(1)
    assert (await client.get("/health")).status_code == 200


async def test_guessing_keys_is_limited_too() -> None:
    app = an_app(settings=Settings(requests_per_s_per_ip=2, requests_per_s=0))
    client = app.test_client()
    found = [
        (await client.get("/api/things", headers={"X-API-Key": f"{KEY}{n}"})).status_code
        for n in range(3)
    ]
    assert found == [401, 401, 429]


def test_streams_are_bounded_in_all_and_for_each_user() -> None:
    streams = Streams(streams_max=3, per_user_max=2)
    with streams.slot("a"), streams.slot("a"):
        with pytest.raises(TooMany, match="2 of yours, 2 in all"):
            streams.check("a")
        with streams.slot("b"), pytest.raises(TooMany), streams.slot("c"):
            pass
        streams.check("c")
    assert len(streams) == 0
