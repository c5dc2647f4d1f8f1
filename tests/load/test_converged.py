"""How long commands take to have their effect, over whole runs in a virtual world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_storms import virtually
from simfleet.errors import ScenarioInvalid
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from pathlib import Path

V16 = "ocpp1.6"
V201 = "ocpp2.0.1"


def scenario(command: str, *, version: str = V16, mode: str = "charging") -> bytes:
    return f"""\
schema: 1
name: tiny
seed: 3
fleet:
  - {{name: t, count: 8, id: "T-{{n}}", version: {version}, reboot_time: 3s,
      transfers: simulated, install_time: 2s, configuration: {{MeterValueSampleInterval: 5}}}}
behaviour: {{think_time: 100ms, energy_kwh: 30, pause: 1h}}
stages:
  - {{do: ramp, to: 8, over: 1s, mode: {mode}}}
  - {{do: hold, for: 1m}}
  - {{do: stop, over: 1s}}
commands: [{command}]
""".encode()


def figures(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of the one command, and the summary."""
    summary = virtually(parse_scenario(content), path / "run")
    (block,) = summary["scenario_commands"]["by_action"].values()
    return block, summary


def profile(limit: str, unit: str = "W") -> str:
    schedule = f"chargingRateUnit: {unit}, startSchedule: $now"
    schedule += f", chargingSchedulePeriod: [{{startPeriod: 0, limit: {limit}}}]"
    return (
        "{connectorId: 0, csChargingProfiles: {chargingProfileId: 1, stackLevel: 0,"
        " chargingProfilePurpose: ChargePointMaxProfile, chargingProfileKind: Absolute,"
        f" chargingSchedule: {{{schedule}}}}}}}"
    )


EFFECTS = {
    "a stop": (V16, "send: RemoteStopTransaction, payload: {transactionId: $transaction_id}", 0, 1),
    "a stop of 2.x": (
        V201,
        "send: RequestStopTransaction, payload: {transactionId: $transaction_id}",
        *(0, 1),
    ),
    "a reset": (V16, "send: Reset, payload: {type: Hard}", 3, 5),
    "a reset of 2.x": (V201, "send: Reset, payload: {type: Immediate}", 3, 5),
    "a limit in watts": (V16, f"send: SetChargingProfile, payload: {profile('4000')}", 0, 5.1),
    "a limit in amperes": (
        V16,
        f"send: SetChargingProfile, payload: {profile('8', 'A')}",
        *(0, 5.1),
    ),
    "less power": (
        V16,
        f"send: SetChargingProfile, payload: {profile('4000')},"
        " converged: {when: {power_below_kw: 5}, within: 10s}",
        *(0, 5.1),
    ),
    "a message": (
        V16,
        "send: TriggerMessage, payload: {requestedMessage: Heartbeat},"
        " converged: {when: {message: Heartbeat}}",
        *(0, 1),
    ),
}


@pytest.mark.parametrize("what", EFFECTS)
def test_an_effect_is_seen_and_timed_from_when_the_command_was_due(
    what: str, tmp_path: Path
) -> None:
    version, command, least_s, most_s = EFFECTS[what]
    block, _ = figures(scenario(f"{{at: 20s, {command}}}", version=version), tmp_path)
    assert (block["watched"], block["converged"], block["not_converged"]) == (8, 8, 0)
    assert least_s * 1000 <= block["converged_ms"]["max"] <= most_s * 1000


@pytest.mark.parametrize(
    ("version", "command"),
    [
        (V16, "send: RemoteStartTransaction, payload: {connectorId: 1, idTag: A}"),
        (
            V201,
            "send: RequestStartTransaction, payload:"
            " {evseId: 1, remoteStartId: 3, idToken: {idToken: A, type: Central}}",
        ),
    ],
)
def test_a_start_that_nobody_plugs_in_for_does_not_converge(
    version: str, command: str, tmp_path: Path
) -> None:
    command += ", converged: {within: 10s}"
    content = scenario(f"{{at: 5s, {command}}}", version=version, mode="connect")
    block, summary = figures(content, tmp_path)
    assert block["statuses"] == {"Accepted": 8}
    assert (block["watched"], block["converged"], block["not_converged"]) == (8, 0, 8)
    assert summary["problems"]["total"] >= 8
    (event,) = summary["scenario_commands"]["events"]
    assert (event["watched"], event["converged"], event["not_converged"]) == (8, 0, 8)


def test_being_out_of_service_is_seen_and_being_in_service_needs_no_message(
    tmp_path: Path,
) -> None:
    def change(kind: str) -> str:
        payload = f"{{connectorId: 0, type: {kind}}}"
        return f"{{at: 5s, send: ChangeAvailability, payload: {payload}}}"

    for number, kind in enumerate(("Inoperative", "Operative")):
        content = scenario(change(kind), mode="connect")
        block, _ = figures(content, tmp_path / str(number))
        assert (block["watched"], block["converged"]) == (8, 8)


def test_firmware_is_watched_until_it_is_installed(tmp_path: Path) -> None:
    payload = "{location: 'http://h/f.bin', retrieveDate: $now}"
    content = scenario(f"{{at: 5s, send: UpdateFirmware, payload: {payload}}}", mode="connect")
    block, _ = figures(content, tmp_path)
    assert (block["watched"], block["converged"]) == (8, 8)


def test_who_refuses_is_only_counted_where_somebody_asked(tmp_path: Path) -> None:
    command = "at: 5s, send: RemoteStopTransaction, payload: {transactionId: 99}, expect: any"
    block, _ = figures(scenario(f"{{{command}}}", mode="connect"), tmp_path / "1")
    assert block["statuses"] == {"Rejected": 8}
    assert (block["watched"], block["not_converged"]) == (0, 0)
    asked = f"{{{command}, converged: {{when: transaction_stopped, within: 5s}}}}"
    block, _ = figures(scenario(asked, mode="connect"), tmp_path / "2")
    assert (block["watched"], block["not_converged"]) == (8, 8)


def test_none_looks_at_nothing(tmp_path: Path) -> None:
    command = "{at: 5s, send: Reset, payload: {type: Hard}, converged: none}"
    block, _ = figures(scenario(command), tmp_path)
    assert (block["watched"], block["converged"]) == (0, 0)


def test_a_run_that_ends_does_not_wait_and_accuses_nobody(tmp_path: Path) -> None:
    command = "{at: 50s, send: RemoteStartTransaction, payload: {connectorId: 1, idTag: A}}"
    block, summary = figures(scenario(command, mode="connect"), tmp_path)
    assert (block["watched"], block["converged"], block["not_converged"]) == (8, 0, 0)
    assert summary["load_s"] < 70
    assert summary["scenario_commands"]["events"][0]["complete"]


def test_thresholds_judge_convergence(tmp_path: Path) -> None:
    content = scenario("{at: 20s, send: Reset, payload: {type: Hard}}")
    content += b"""\
thresholds:
  command[Reset].converged.p95: "< 5s"
  command[Reset].converged.max: "< 1s"
  command.converged_ratio: ">= 0.99"
  command.not_converged: "== 0"
"""
    _, summary = figures(content, tmp_path)
    assert [one["passed"] for one in summary["thresholds"]] == [True, False, True, True]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("send: ClearCache, converged: {within: 5s}", "write when: as well"),
        ("send: ClearCache, converged: {when: limit}", "limit is that of a SetChargingProfile"),
        ("send: ClearCache, converged: {when: bootd}", "'bootd' shows nothing; did you mean"),
        ("send: ClearCache, converged: {when: {status: Idle}}", "never comes in OCPP 1.6"),
        ("send: ClearCache, converged: {when: {message: Heartbaet}}", "did you mean 'Heartbeat'?"),
        ("send: ClearCache, converged: soon", "a mapping such as {when: booted, within: 60s}"),
    ],
)
def test_what_can_never_show_is_a_mistake(command: str, message: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(scenario(f"{{at: 5s, {command}}}"))
    assert message in str(caught.value)
