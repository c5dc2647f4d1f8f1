"""Which key does what, and what the foot of the view says meanwhile."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import msgspec
import pytest

from simfleet.link.impairments import problem
from simfleet.load.live.actions import (
    ChangeMode,
    ChangeRate,
    ChangeTarget,
    ClearFaults,
    ClearNetwork,
    ExtendStage,
    ImpairNetwork,
    InjectFault,
    KillChargers,
    PauseRun,
    ResumeRun,
    SkipStage,
    StopRun,
)
from simfleet.load.live.keyboard import keys_of
from simfleet.load.live.keys import BRIEF, FAULTS, HELP, NETWORKS, Keys, Standing
from simfleet.load.progress_view import keys_possible

if TYPE_CHECKING:
    from simfleet.load.live.actions import LiveAction

NOW = Standing(target=200, most=1000, paused=False)
changed = msgspec.structs.replace


def pressed(text: str, standing: Standing = NOW) -> tuple[list[LiveAction], Keys]:
    keys = Keys()
    found = [keys.press(key, standing) for key in text]
    return [action for action in found if action is not None], keys


@pytest.mark.parametrize(
    ("typed", "action"),
    [
        ("p", PauseRun()),
        ("+", ChangeTarget(to=220)),
        ("=", ChangeTarget(to=220)),
        ("-", ChangeTarget(to=180)),
        ("t500\r", ChangeTarget(to=500)),
        ("t80 %\n", ChangeTarget(to=800)),
        ("t500 over 30s\r", ChangeTarget(to=500, over_s=30)),
        ("t51\x7f00\r", ChangeTarget(to=500)),
        ("r2.5\r", ChangeRate(per_s=2.5)),
        ("r3/s\r", ChangeRate(per_s=3)),
        ("mc", ChangeMode(mode="connect")),
        ("k", KillChargers(share=0.1)),
        ("K5 %\r", KillChargers(share=0.05)),
        ("K5 % power for 1m\r", KillChargers(share=0.05, how="power", for_s=60)),
        ("K50 for 10s\r", KillChargers(share=0.5, for_s=10)),
        ("f2\r", InjectFault(fault=FAULTS["2"][1], share=0.1)),
        ("f120 %\r", InjectFault(fault=FAULTS["1"][1], share=0.2)),
        ("f0", ClearFaults()),
        ("n5100\r", ImpairNetwork(impairment=NETWORKS["5"][1], share=1.0)),
        ("n0", ClearNetwork()),
        ("e", ExtendStage(by_s=30)),
        ("s", SkipStage()),
        ("q", StopRun()),
    ],
)
def test_keys_are_actions(typed: str, action: LiveAction) -> None:
    found, keys = pressed(typed)
    assert found == [action]
    assert keys.foot == [BRIEF]


def test_some_keys_depend_on_how_things_stand() -> None:
    assert pressed("p", changed(NOW, paused=True))[0] == [ResumeRun()]
    assert pressed("q", changed(NOW, stopping=True))[0] == [StopRun(now=True)]
    assert pressed("+", changed(NOW, target=3))[0] == [ChangeTarget(to=4)]
    assert pressed("+", changed(NOW, target=990))[0] == [ChangeTarget(to=1000)]
    assert pressed("-", changed(NOW, target=1))[0] == [ChangeTarget(to=0)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("tmany\r", "'many' is no target; write chargers, or a share such as 80 %"),
        ("t5 over soon\r", "'soon' is not a duration; write 500ms, 10s, 2m or 1h"),
        ("r-1\r", "'-1' is out of range; write 0 to 100000"),
        ("K0\r", "'0' is out of range; write a share such as 10 %"),
    ],
)
def test_what_cannot_be_read_does_nothing_and_says_what_can(typed: str, said: str) -> None:
    found, keys = pressed(typed)
    assert found == []
    assert keys.foot == [said, BRIEF]


def test_the_ends_of_the_fleet_are_the_ends_of_the_target() -> None:
    found, keys = pressed("+", changed(NOW, target=1000))
    assert found == []
    assert keys.foot[0] == "the target is 1000 already; the fleet has 0 to 1000 chargers"


@pytest.mark.parametrize("typed", ["t12\x1b", "mx", "fx", "f1\x1b", "nq", "x", "??"])
def test_a_question_can_be_left_without_anything_done(typed: str) -> None:
    found, keys = pressed(typed)
    assert found == []
    assert keys.foot == [BRIEF]


def test_help_shows_every_key_and_goes_with_the_next_one() -> None:
    _, keys = pressed("?")
    assert keys.foot == list(HELP)
    assert max(map(len, HELP)) <= 76  # nothing of it is wrapped in 80 columns
    actions, keys = pressed("?p")
    assert (actions, keys.foot) == (
        [PauseRun()],
        [BRIEF],
    )  # it does what help says
    assert pressed("??")[1].foot == [BRIEF]
    shown = "\n".join(HELP)
    for key in "p+-trmekKfnsq":
        assert f"{key} " in shown, key


@pytest.mark.parametrize("piped", [False, True])
def test_keys_are_left_to_the_reader_of_a_pipe(
    piped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    reading, writing = os.pipe()
    monkeypatch.setenv("TERM", "xterm")
    with (
        open(theirs, closefd=False) as stdin,
        open(theirs, "w", closefd=False) as stderr,
        open(writing if piped else theirs, "w", closefd=False) as stdout,
    ):
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stdout", stdout)
        assert keys_possible(stderr) is not piped
    for number in (ours, theirs, reading, writing):
        os.close(number)


def test_what_is_typed_is_bounded() -> None:
    _, keys = pressed("t" + "1" * 500)
    assert len(keys.foot[0]) < 150


def test_everything_that_is_offered_can_be_done() -> None:
    assert [problem(impairment) for _, impairment in NETWORKS.values()] == [None] * len(NETWORKS)


def test_arrows_and_other_long_keys_are_none() -> None:
    assert keys_of(b"\x1b[A") == []
    assert keys_of(b"\x1b") == ["\x1b"]
    assert keys_of(b"pq") == ["p", "q"]
    assert keys_of("ü\xff".encode("latin-1")) == []
