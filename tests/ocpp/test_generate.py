"""The committed messages are what the generator writes, in the house's format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simfleet.ocpp import generate

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def ruff(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_committed_messages_are_current() -> None:
    assert generate.main(["--check"]) == 0


def test_a_module_that_was_edited_by_hand_is_reported_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = tmp_path / "messages.py"
    edited.write_text("edited = True\n", encoding="utf-8")
    v16, *_ = generate.VERSIONS
    version = generate.Version(v16.subprotocol, v16.title, edited, v16.names)
    monkeypatch.setattr(generate, "VERSIONS", (version,))

    assert generate.main(["--check"]) == 1
    assert "python -m simfleet.ocpp.generate" in capsys.readouterr().err
    assert edited.read_text(encoding="utf-8") == "edited = True\n"

    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_unknown_arguments_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_part_without_a_name_is_an_error_that_says_where() -> None:
    v16, *_ = generate.VERSIONS
    names = {place: name for place, name in v16.names.items() if place != "IdTagInfo.status"}
    with pytest.raises(SystemExit, match=r"IdTagInfo\.status needs a name"):
        generate.render(generate.Version(v16.subprotocol, v16.title, v16.module, names))


def test_one_name_for_two_shapes_is_an_error() -> None:
    v16, *_ = generate.VERSIONS
    names = v16.names | {"TransactionDataSampledValue.unit": "UnitOfMeasure"}
    with pytest.raises(SystemExit, match="UnitOfMeasure has other values elsewhere"):
        generate.render(generate.Version(v16.subprotocol, v16.title, v16.module, names))


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_what_is_generated_needs_no_formatting_and_runs(subprotocol: str, tmp_path: Path) -> None:
    known = {version.subprotocol: version.names for version in generate.VERSIONS}
    module = tmp_path / "messages.py"
    version = generate.Version(subprotocol, subprotocol, module, known.get(subprotocol, {}))
    text = generate.render(version)
    module.write_text(text, encoding="utf-8")
    settings = ["--config", str(_PROJECT), "--no-cache", str(module)]
    formatted = ruff("format", "--diff", *settings)
    assert formatted.returncode == 0, formatted.stdout
    linted = ruff("check", *settings)
    assert linted.returncode == 0, linted.stdout
    exec(compile(text, str(module), "exec"), {"__name__": "generated"})
