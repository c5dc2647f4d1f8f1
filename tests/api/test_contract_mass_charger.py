"""/api/mass-charger: a load test by REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_api import assert_error, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders_api import Lab


async def stats(lab: Lab) -> dict[str, Any]:
    answer = await lab.alice.get("/api/mass-charger/stats")
    assert answer.status == 200
    assert isinstance(answer.body, dict)
    return answer.body


async def stats_when(
    lab: Lab, condition: Callable[[dict[str, Any]], bool], within_s: float = 20
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with trio.move_on_after(within_s):
        while True:
            found = await stats(lab)
            if condition(found):
                return found
            await trio.sleep(0.05)
    raise AssertionError(f"not within {within_s} s: {found}")


async def apply(lab: Lab, target: int, mode: str) -> dict[str, Any]:
    body = {"target": target, "mode": mode}
    answer = await lab.alice.post("/api/mass-charger/apply", body)
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, dict)
    return answer.body


async def test_there_is_no_load_at_first(lab: Lab) -> None:
    found = await stats(lab)
    for key in ("connected", "charging", "errors", "messages"):
        assert found[key] == 0, key
        assert isinstance(found[key], int)


async def test_stats_say_more_than_the_document_asks(lab: Lab) -> None:
    found = await stats(lab)
    assert {"target", "mode", "connected", "charging", "errors", "messages"} <= set(found)


async def test_a_fleet_connects_grows_shrinks_and_stops(lab: Lab) -> None:
    applied = await apply(lab, 6, "connect")
    assert (applied["target"], applied["mode"]) == (6, "connect")
    await stats_when(lab, lambda it: it["connected"] == 6)
    assert lab.csms.connected == 6
    await apply(lab, 9, "connect")
    await stats_when(lab, lambda it: it["connected"] == 9)
    await apply(lab, 2, "connect")
    await stats_when(lab, lambda it: it["connected"] == 2)
    await until(lambda: lab.csms.connected == 2)
    stopped = await lab.alice.post("/api/mass-charger/stop", {})
    assert stopped.status == 200
    found = await stats_when(lab, lambda it: it["connected"] == 0)
    assert found["messages"] > 0
    await until(lambda: lab.csms.connected == 0)


async def test_a_target_of_zero_stops(lab: Lab) -> None:
    await apply(lab, 3, "connect")
    await stats_when(lab, lambda it: it["connected"] == 3)
    await apply(lab, 0, "connect")
    await stats_when(lab, lambda it: it["connected"] == 0)


async def test_idle_chargers_have_no_socket(lab: Lab) -> None:
    await apply(lab, 3, "idle")
    await trio.sleep(0.3)
    assert (await stats(lab))["connected"] == 0
    assert lab.csms.connected == 0


@pytest.mark.parametrize("target", [-1, 10_001, "5", 1.5, None, True])
@pytest.mark.parametrize("mode", ["connect"])
async def test_a_target_is_0_to_10000(lab: Lab, target: object, mode: str) -> None:
    body = {"target": target, "mode": mode}
    assert_error(await lab.alice.post("/api/mass-charger/apply", body), 400, mentions="target")


@pytest.mark.parametrize("mode", ["on", "", None, "Charging"])
async def test_a_mode_is_one_of_three(lab: Lab, mode: object) -> None:
    body = {"target": 1, "mode": mode}
    assert_error(await lab.alice.post("/api/mass-charger/apply", body), 400, mentions="mode")


@pytest.mark.parametrize("body", [{}, {"target": 1}, {"mode": "idle"}])
async def test_apply_needs_both_parameters(lab: Lab, body: dict[str, Any]) -> None:
    assert_error(await lab.alice.post("/api/mass-charger/apply", body), 400)
    assert (await stats(lab))["target"] == 0


async def test_stop_needs_no_body_and_nothing_to_stop(lab: Lab) -> None:
    path = "/api/mass-charger/stop"
    assert (await lab.alice.post_bytes(path, b"", content_type=None)).status == 200
    assert (await lab.alice.post(path, {})).status == 200


async def test_errors_are_listed_counted_and_cleared(lab: Lab) -> None:
    assert (await lab.alice.get("/api/mass-charger/errors")).body == []
    lab.refuse_connections()
    await apply(lab, 3, "connect")
    found = await stats_when(lab, lambda it: it["errors"] >= 3)
    assert found["connected"] == 0
    errors = (await lab.alice.get("/api/mass-charger/errors")).body
    assert 3 <= len(errors) <= 500
    for error in errors:
        assert {"id", "chargepoint_id", "type", "message", "timestamp"} <= set(error)
    assert [error["id"] for error in errors] == sorted(
        (error["id"] for error in errors), reverse=True
    ), "newest first"
    await lab.alice.post("/api/mass-charger/stop", {})
    await stats_when(lab, lambda it: it["target"] == 0)
    await trio.sleep(0.2)
    cleared = await lab.alice.post("/api/mass-charger/errors/clear", {})
    assert (cleared.status, cleared.body) == (200, {"success": True})
    assert (await lab.alice.get("/api/mass-charger/errors")).body == []
    assert (await stats(lab))["errors"] == 0


async def test_the_last_of_many_applies_counts(lab: Lab) -> None:
    async with trio.open_nursery() as nursery:
        for target in (5, 3, 8, 1):
            nursery.start_soon(apply, lab, target, "connect")
    await apply(lab, 4, "connect")
    await stats_when(lab, lambda it: it["connected"] == 4)
    await until(lambda: lab.csms.connected == 4)
