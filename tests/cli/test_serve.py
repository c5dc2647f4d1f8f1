from __future__ import annotations

from pathlib import Path

import pytest

from simfleet.cli.exit_codes import ExitCode
from simfleet.cli.main import build_parser, main
from simfleet.cli.serve import settings_of
from simfleet.settings import Settings


def test_an_option_wins_over_the_environment_and_that_over_the_default() -> None:
    arguments = build_parser().parse_args(["serve", "--port", "1", "--db", "a.db"])
    environment = {"SIMFLEET_PORT": "2", "SIMFLEET_CSMS_PORT": "3", "SIMFLEET_API_KEY": "k" * 16}
    assert settings_of(arguments, environment) == Settings(
        port=1, csms_port=3, db=Path("a.db"), api_key="k" * 16
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("serve --port 65536", "'65536' is not a whole number from 0 to 65535"),
        ("serve --csms-port -1", "'-1' is not a whole number from 0 to 65535"),
        ("serve --no-csms --csms-port 9000", "not allowed with argument --no-csms"),
    ],
)
def test_a_bad_option_is_refused(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_a_database_that_cannot_be_opened_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database, but long enough to be looked at\n" * 100)
    code = main(["serve", "--port", "0", "--csms-port", "0", "--db", str(other)])
    printed = capsys.readouterr()
    assert code == ExitCode.USAGE
    assert printed.out == ""
    assert printed.err.startswith("simfleet: ")
    assert other.read_text().startswith("not a database")


def test_others_are_not_let_in_before_there_is_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIMFLEET_API_KEY", raising=False)
    line = ["serve", "--host", "0.0.0.0", "--port", "0", "--db", str(tmp_path / "a.db")]
    assert main(line) == ExitCode.USAGE
    assert "nobody has an API key yet" in capsys.readouterr().err
