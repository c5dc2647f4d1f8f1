from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
import trio

from builders_store import a_charger
from simfleet.cli.main import main
from simfleet.store import lock, open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMFLEET_DB", str(tmp_path / "env" / "s.db"))
    return tmp_path / "s.db"


def simfleet(*words: object) -> int:
    return main([str(word) for word in words])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_user_is_added_listed_and_removed(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simfleet("user", "add", "ada", "--db", database) == 0
    assert simfleet("user", "add", "bob", "--db", database) == 0
    assert "added ada" in said(capsys)
    assert simfleet("user", "list", "--db", database) == 0
    assert re.fullmatch(
        r"ada\t0 keys\t0 chargers\tsince 20\S+Z\nbob\t.*\n", said(capsys), flags=re.DOTALL
    )
    assert simfleet("user", "remove", "ada", "--db", database) == 0
    assert said(capsys) == "removed ada and 0 chargers\n"
    assert simfleet("user", "list", "--db", database) == 0
    assert said(capsys).startswith("bob\t")


def test_the_database_may_come_from_the_environment(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simfleet("user", "add", "ada") == 0
    assert simfleet("user", "list", "--db", database.parent / "env" / "s.db") == 0
    assert "ada\t" in said(capsys)


def test_a_key_is_the_only_thing_on_stdout_and_is_never_shown_again(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simfleet("user", "add", "ada", "--db", database)
    said(capsys)
    assert simfleet("key", "create", "ada", "--label", "ci", "--db", database) == 0
    output = capsys.readouterr()
    assert re.fullmatch(r"sf_[A-Za-z0-9_-]{43}\n", output.out)
    assert "only time" in output.err
    assert simfleet("key", "list", "--db", database) == 0
    listed = said(capsys)
    assert re.fullmatch(r"sf_.{8}\.\.\.\tada\tsince 20\S+Z\tci\n", listed)
    assert output.out.strip() not in listed


def test_keys_can_be_listed_by_user(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ada", "bob"):
        simfleet("user", "add", name, "--db", database)
        simfleet("key", "create", name, "--db", database)
    said(capsys)
    assert simfleet("key", "list", "bob", "--db", database) == 0
    assert said(capsys).count("\n") == 1


async def test_a_key_is_made_and_revoked_beside_a_running_service(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_store(database) as service:
        ada = await service.create_user("ada")
        # In a thread, because each command runs an event loop of its own.
        assert (
            await trio.to_thread.run_sync(simfleet, "key", "create", "ada", "--db", database) == 0
        )
        key = said(capsys).strip()
        assert await service.user_of_key(key) == ada
        assert await trio.to_thread.run_sync(simfleet, "key", "revoke", key, "--db", database) == 0
        assert said(capsys).startswith(f"revoked {key[:11]}...\tada\t")
        assert await service.user_of_key(key) is None


async def test_a_user_with_chargers_in_a_running_service_is_not_removed(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove = ("user", "remove", "ada", "--db", database)
    async with open_store(database) as service:
        ada = await service.create_user("ada")
        await service.save_charger(a_charger(ada.id))
        assert await trio.to_thread.run_sync(simfleet, *remove) == 2
        assert "1 charger in a service that is running" in capsys.readouterr().err
        assert await service.users() == [ada]
    assert await trio.to_thread.run_sync(simfleet, *remove) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("user", "add", "a b"), "'a b' is not a user name"),
        (("user", "add", "ada"), "there is a user 'ada' already"),
        (("user", "remove", "eve"), "there is no user 'eve'"),
        (("key", "create", "eve"), "there is no user 'eve'"),
        (("key", "list", "eve"), "there is no user 'eve'"),
        (("key", "revoke", "sf_nothing"), "there is no key that starts so"),
        (("key", "create", "ada", "--label", "x" * 101), "a label is up to 100"),
        (("user",), "the following arguments are required: VERB"),
        (("key", "make"), "invalid choice: 'make'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    database: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str
) -> None:
    simfleet("user", "add", "ada", "--db", database)
    said(capsys)
    db = ("--db", database) if len(words) > 2 else ()
    assert simfleet(*words, *db) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert "Traceback" not in complaints


def test_a_database_that_cannot_be_opened_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.db"
    path.write_text("this is no database" * 100)
    assert simfleet("user", "list", "--db", path) == 2
    assert capsys.readouterr().err == (
        f"simfleet: the database {path} cannot be used: file is not a database\n"
    )


def test_a_service_waits_for_a_command_to_finish(tmp_path: Path) -> None:
    command, service = lock.Lock(tmp_path / "s.db"), lock.Lock(tmp_path / "s.db")
    assert command.share()
    timer = threading.Timer(0.1, command.close)
    timer.start()
    assert service.take_alone()
    timer.join()
    service.close()
