from __future__ import annotations

import json
from pathlib import Path

import pytest

from simfleet.cli.check import check
from simfleet.cli.main import main
from simfleet.cli.schema import schema
from simfleet.errors import ScenarioInvalid

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_a_right_scenario_is_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = SCENARIOS / "ten-thousand.yaml"
    assert check(path) == 0
    assert capsys.readouterr().out == (
        f"{path}: ten-thousand is fine: 10,000 chargers in 1 slice, 3 stages over 50s,"
        " 3 thresholds, against embedded\n"
    )


def test_a_wrong_scenario_raises_all_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("schema: 1\nname: a b\nfleet: 5\nstages: []\n")
    with pytest.raises(ScenarioInvalid) as caught:
        check(path)
    assert len(caught.value.problems) == 3


def test_the_command_lists_problems_on_stderr_and_exits_104(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("schema: 1\nname: a b\nfleet: 5\nstages: []\n")
    assert main(["check", str(path)]) == 104
    output = capsys.readouterr()
    assert output.out == ""
    assert f"{path}:2:7: name: 'a b' is not accepted" in output.err
    assert f"{path}:3:8: fleet: a list of slices is expected here, not '5'" in output.err
    assert f"{path}:4:9: stages: 0 stages; write 1 to 100" in output.err


def test_a_missing_file_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "no-such-file.yaml"]) == 2
    assert "cannot read the scenario 'no-such-file.yaml': No such file" in capsys.readouterr().err


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema() == 0
    assert json.loads(capsys.readouterr().out)["title"] == "SimFleet scenario, schema 1"
