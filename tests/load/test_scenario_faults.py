"""`faults` of a stage: read with every mistake in its place, given to the chosen, taken again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml

from builders_load import Run, a_run, a_scenario, run_in_memory
from simfleet.cli.check import check
from simfleet.documents.fields import fields_of
from simfleet.errors import ScenarioInvalid
from simfleet.load.fault_fields import STAGE_FAULTS
from simfleet.load.fleet_plans import plans_of
from simfleet.load.scenario import parse_scenario, scenario_schema
from simfleet.load.stage_faults import chosen
from simfleet.station import fault_kinds as kinds

if TYPE_CHECKING:
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.scenario import Scenario

FILE = Path(__file__).parents[2] / "scenarios" / "ocpp16" / "faults.yaml"
REFERENCE = (FILE.parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")


def text_with(fault: str) -> str:
    return f"""\
schema: 1
name: good
fleet:
  - {{name: ac, count: 10, id: "A-{{n}}"}}
  - {{name: dc, count: 10, id: "D-{{n}}", type: DC, connectors: 2}}
stages:
  - do: hold
    for: 1s
    faults:
      - {fault}
"""


def fault_of(fault: str) -> Any:
    scenario = parse_scenario(text_with(fault).encode())
    (found,) = scenario.stages[0].faults
    return found


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "{kind: error_code, error_code: GroundFailure, info: wet, for: 1m}",
            kinds.ErrorCodeFault(error_code="GroundFailure", info="wet", for_s=60),
        ),
        ("{kind: frozen_meter, for: 500ms}", kinds.FrozenMeter(for_s=0.5)),
        ("{kind: register_jump, wh: -250.5}", kinds.RegisterJump(wh=-250.5)),
        ("{kind: clock_skew, seconds: 3600}", kinds.ClockSkew(seconds=3600)),
        ("{kind: missing_stop, count: 2}", kinds.MissingStop(count=2)),
        ("{kind: duplicate_start, share: 25%}", kinds.DuplicateStart(share=0.25)),
        (
            "{kind: wrong_transaction_id, messages: MeterValues}",
            kinds.WrongTransactionId(messages="MeterValues"),
        ),
        (
            "{kind: malformed_frame, form: not_json, actions: [Heartbeat, MeterValues]}",
            kinds.MalformedFrame(form="not_json", actions=("Heartbeat", "MeterValues")),
        ),
        ("{kind: schema_invalid, share: 0.5}", kinds.SchemaInvalid(share=0.5)),
        ("{kind: unanswered_call, actions: Reset}", kinds.UnansweredCall(actions=("Reset",))),
        (
            "{kind: response_override, actions: Reset, status: Rejected, delay: 2s}",
            kinds.ResponseOverride(actions=("Reset",), status="Rejected", delay_s=2),
        ),
        (
            "{kind: firmware_failure, stage: InstallationFailed}",
            kinds.FirmwareFailure(stage="InstallationFailed"),
        ),
        ("{kind: upload_failure}", kinds.UploadFailure()),
        ("{kind: reset_failure, count: 2}", kinds.ResetFailure(count=2)),
        (
            "{kind: lock_failure, connector_id: 1, for: 5s}",
            kinds.LockFailure(connector_id=1, for_s=5.0),
        ),
    ],
)
def test_a_fault_is_written_as_in_rest_but_with_units(text: str, fault: kinds.Fault) -> None:
    assert fault_of(text).fault == fault
    document = yaml.safe_load(text_with(text))
    jsonschema_rs.validator_for(scenario_schema()).validate(document)


def test_every_kind_can_be_in_a_scenario() -> None:
    assert tuple(str(one.__struct_config__.tag) for one in STAGE_FAULTS) == kinds.KINDS


def test_without_more_all_chargers_have_it() -> None:
    assert fault_of("{kind: missing_stop}").to.share == 1.0


MISTAKES = [
    ("{kind: frozen}", "10:16: stages[0].faults[0].kind: 'frozen' is not accepted; write error_"),
    ("{for: 1s}", "10:9: stages[0].faults[0]: 'kind' is missing; write kind: error_code,"),
    (
        "{kind: frozen_meter, for_s: 3}",
        "10:30: stages[0].faults[0].for_s: unknown key; did you mean 'for'?"
        " accepted here: kind, to, connector_id, for",
    ),
    ("{kind: frozen_meter, for: 3}", "10:35: stages[0].faults[0].for: '3' has no unit"),
    ("{kind: missing_stop, count: 0}", "10:37: stages[0].faults[0].count: 0 is out of range"),
    ("{kind: missing_stop, share: 0}", "10:37: stages[0].faults[0].share: '0' is out of range"),
    (
        "{kind: missing_stop, to: {slice: ad}}",
        "10:42: stages[0].faults[0].to.slice: 'ad' is not a slice of the fleet; write ac, dc",
    ),
    ("{kind: error_code}", "10:9: stages[0].faults[0]: 'error_code' is missing; write error_code:"),
    (
        "{kind: error_code, error_code: NoError}",
        "10:40: stages[0].faults[0].error_code: NoError is no fault",
    ),
    (
        "{kind: error_code, error_code: GroundFailure, stop_transaction: 3}",
        "10:73: stages[0].faults[0].stop_transaction: '3' is not accepted; write true or false",
    ),
    (
        "{kind: frozen_meter, connector_id: 2}",
        "10:44: stages[0].faults[0].connector_id: 2 is no connector here; there is connector 1",
    ),
    ("{kind: register_jump, wh: 0}", "10:35: stages[0].faults[0].wh: 0 is no jump"),
    (
        "{kind: unanswered_call, actions: [Heartbeat]}",
        "10:42: stages[0].faults[0].actions: 'Heartbeat' is not a CALL of a CSMS in ocpp1.6",
    ),
    (
        "{kind: response_override, actions: Reset, status: Faulted}",
        "10:59: stages[0].faults[0].status: 'Faulted' is no status of Reset: Accepted, Rejected",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_has_its_place_and_what_would_be_accepted(text: str, message: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(text_with(text).encode(), source="s.yaml")
    (problem,) = caught.value.problems
    assert problem.startswith(f"s.yaml:{message}"), problem


def test_a_connector_that_the_slice_has_is_accepted() -> None:
    assert (
        fault_of("{kind: frozen_meter, connector_id: 2, to: {slice: dc}}").fault.connector_id == 2
    )


def test_check_says_how_many_faults_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(FILE) == 0
    assert "with 12 faults on purpose" in capsys.readouterr().out


@pytest.mark.parametrize("struct", STAGE_FAULTS, ids=lambda struct: struct.__name__)
def test_the_reference_names_every_kind_and_every_key(struct: Any) -> None:
    kind = str(struct.__struct_config__.tag)
    (row,) = re.findall(rf"^\| `{kind}` \| [^|]* \|([^|]*)\|$", REFERENCE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(fields_of(struct)) - {"to"}
    for name in fields_of(struct):
        assert f"| `{name}` |" in REFERENCE, name


# ── who gets it ─────────────────────────────────────────────────────────────────────────────────


def plans_with(seed: int) -> list[ChargerPlan]:
    return plans_of(a_scenario(chargers=40, seed=seed))


def test_the_same_seed_chooses_the_same_chargers_and_another_one_others() -> None:
    plans = plans_with(1)
    first = chosen(plans, 0.25, seed=1, place="0:0")
    assert len(first) == 10
    assert chosen(plans, 0.25, seed=1, place="0:0") == first
    assert chosen(plans, 0.25, seed=2, place="0:0") != first
    assert chosen(plans, 0.25, seed=1, place="0:1") != first


def test_a_larger_share_adds_to_a_smaller_one_and_is_rounded_up() -> None:
    plans = plans_with(1)
    few, more = (chosen(plans, share, seed=1, place="0:0") for share in (0.01, 0.5))
    assert len(few) == 1
    assert set(few) <= set(more)
    assert len(chosen(plans, 1.0, seed=1, place="0:0")) == 40


# ── in a run ────────────────────────────────────────────────────────────────────────────────────

RAMP = "{do: ramp, to: 8, over: 1s}"
REST = "{do: hold, for: 60s}"


def a_hold(*faults: str) -> str:
    return f"{{do: hold, for: 60s, faults: [{', '.join(faults)}]}}"


def lived(path: Path, *stages: str, **options: Any) -> Run:
    scenario: Scenario = a_scenario(chargers=8, stages=stages, target="ws://csms", **options)
    return run_in_memory(scenario, path)


def test_a_fault_acts_while_its_stage_lasts_and_no_longer(tmp_path: Path) -> None:
    skew = "{kind: clock_skew, seconds: -3600}"
    run = lived(tmp_path / "a", RAMP, a_hold(skew), REST)
    acts = run.summary["injected"]["by_kind"]["clock_skew"]
    twice = lived(tmp_path / "b", RAMP, a_hold(skew), a_hold(skew))
    assert run.result == "passed"
    assert 50 < acts < twice.summary["injected"]["by_kind"]["clock_skew"] * 0.7


def test_chargers_that_come_in_a_ramp_have_its_faults_from_the_beginning(tmp_path: Path) -> None:
    late = "{kind: schema_invalid, form: missing_field, actions: BootNotification, count: 1}"
    ramp = f"{{do: ramp, to: 8, over: 10s, faults: [{late}]}}"
    run = lived(tmp_path, ramp, "{do: stop, over: 1s}")
    assert run.summary["injected"]["by_kind"] == {"schema_invalid": 8}
    assert run.summary["chargers"]["booted"] == 8  # at the second attempt


def test_a_charger_that_cannot_have_a_fault_says_so_in_the_errors(tmp_path: Path) -> None:
    two = "{kind: error_code, error_code: GroundFailure}"
    also = "{kind: error_code, error_code: WeakSignal, stop_transaction: false}"
    run = lived(tmp_path, RAMP, a_hold(two, also), REST)
    assert {one["kind"] for one in run.problems} >= {"refused:FaultInjected"}


async def test_the_scenario_of_faults_passes_and_says_what_the_faults_explain(
    tmp_path: Path,
) -> None:
    """On real sockets, against the embedded CSMS in its own process."""
    run = await a_run(parse_scenario(FILE.read_bytes()), tmp_path)
    assert run.result == "passed", run.summary["verdict"]
    assert run.summary["ledger"]["balanced"] is True
    injected = run.summary["injected"]
    assert injected["total"] == sum(injected["by_kind"].values())
    assert len(injected["by_kind"]) >= 7
    assert injected["explained"] >= 10
    assert run.seen[-1].injected > 0


def test_a_fault_of_slices_that_cannot_be_read_has_a_place() -> None:
    fault = "{kind: frozen_meter, to: {slice: [[ac]]}}"
    with pytest.raises(ScenarioInvalid, match=r"stages\[0\]\.faults\[0\]\.to\.slice"):
        a_scenario(stages=[f"{{do: hold, for: 5s, faults: [{fault}]}}"])
