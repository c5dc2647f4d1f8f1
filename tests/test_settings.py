from __future__ import annotations

from pathlib import Path

import pytest

from simfleet.errors import UsageWrong
from simfleet.settings import Settings, default_database


def test_without_variables_the_defaults_stand() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().host == "127.0.0.1"


def test_each_kind_of_value_is_read() -> None:
    found = Settings.from_environment(
        {
            "SIMFLEET_PORT": "8081",
            "SIMFLEET_HOST": "::1",
            "SIMFLEET_DB": "~/x.db",
            "SIMFLEET_MODELS": "~/models",
            "SIMFLEET_SHUTDOWN_S": "1.5",
            "SIMFLEET_CORS_ORIGINS": "http://localhost:3000, https://example.org,",
            "SIMFLEET_API_KEY": "sf_0123456789abcdef",
            "SIMFLEET_CSMS_PORT": "",
            "SIMFLEET_NOT_OURS": "x",
        }
    )
    assert (found.port, found.host, found.shutdown_s) == (8081, "::1", 1.5)
    assert found.db == Path("~/x.db").expanduser()
    assert found.models == Path("~/models").expanduser()
    assert found.cors_origins == ("http://localhost:3000", "https://example.org")
    assert found.api_key == "sf_0123456789abcdef"
    assert found.csms_port == Settings().csms_port


@pytest.mark.parametrize("text", ["eight", "-1", "1.5", "nan"])
def test_what_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageWrong, match=f"SIMFLEET_PORT='{text}' is not a number"):
        Settings.from_environment({"SIMFLEET_PORT": text})


def test_a_key_is_never_shown() -> None:
    assert "secret" not in repr(Settings(api_key="secret-secret-secret"))


def test_the_database_is_below_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_database() == Path("/data/simfleet/simfleet.db")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # which the standard says to ignore
    assert default_database() == Path("~/.local/share/simfleet/simfleet.db").expanduser()
