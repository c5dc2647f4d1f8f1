"""`--virtual`, `--dry-run`, `--time-scale` and `simfleet replay`, as their user sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simfleet.cli.main import main

SMOKE = str(Path(__file__).parents[2] / "scenarios" / "smoke.yaml")


def test_a_virtual_run_is_replayed_to_the_byte(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["run", SMOKE, "--virtual", "--chargers", "10", "--out", str(one)]) == 0
    assert main(["replay", str(one), "--out", str(two)]) == 0
    told = capfd.readouterr()
    assert "virtual" in told.err
    assert "WARNING" not in told.err
    assert (one / "schedule.csv").read_bytes() == (two / "schedule.csv").read_bytes()
    manifests = [json.loads((path / "manifest.json").read_bytes()) for path in (one, two)]
    for found in manifests:
        del found["began"], found["arguments"]
    assert manifests[0] == manifests[1]
    assert manifests[0]["options"] == {"virtual": True, "dry_run": False, "chargers": 10}


def test_a_dry_run_needs_no_csms_and_leaves_no_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    target = ["--target", "ws://192.0.2.1:9/ocpp"]
    assert main(["run", SMOKE, "--dry-run", *target]) == 0
    assert "PREDICTION" in capfd.readouterr().out
    assert main(["run", SMOKE, "--dry-run", *target, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["prediction"]["calls_by_action"]["BootNotification"]["count"] == 20
    assert told["clock"]["kind"] == "virtual"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--virtual", "--target", "ws://192.0.2.1:9/x"], "touches no network"),
        (["--virtual", "--time-scale", "5"], "a virtual clock has no scale"),
        (["--virtual", "--prometheus", "127.0.0.1:0"], "a virtual clock jumps"),
        (["--time-scale", "1000"], "from 1 to 100"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", SMOKE, *options]) == 2
    assert message in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_virtual_run_in_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stages = ["--set", "stages[1].for=168h", "--out", str(out)]
    command = [sys.executable, "-m", "simfleet", "run", SMOKE, "--virtual", *stages]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stderr is not None
        run.stderr.readline()  # it goes on
        run.send_signal(2)
        told, _ = run.communicate(timeout=60)
    assert run.returncode == 130, told
    assert json.loads((out / "summary.json").read_bytes())["verdict"]["result"] == "interrupted"
