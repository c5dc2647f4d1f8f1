"""Who may connect, by security profile: the rules, without sockets."""

from __future__ import annotations

import pytest

from simfleet.csms import access
from simfleet.csms.access import Access, Doorkeeper, forms_of, parse_passwords
from simfleet.errors import UsageWrong

KEY = "00112233445566778899aabbccddeeff00112233"


def reason(
    keeper: Doorkeeper,
    identity: str = "CP-1",
    *,
    user: str | None = None,
    password: bytes | None = None,
    secure: bool = True,
    certificate: str | None = None,
) -> str | None:
    denial = keeper.judge(
        identity, user=user, password=password, secure=secure, certificate=certificate
    )
    return None if denial is None else f"{denial.status} {denial.reason}"


@pytest.mark.parametrize(
    ("profile", "plain", "password_plain", "tls", "password_tls", "certificate"),
    [
        (0, "401 no_password", None, "401 no_password", None, None),
        (1, "401 no_password", None, "401 no_password", None, None),
        (2, "426 plain", "426 plain", "401 no_password", None, None),
        (3, "426 plain", "426 plain", "403 no_certificate", "403 no_certificate", None),
    ],
)
def test_each_profile_asks_for_what_it_names(
    profile: int,
    plain: str | None,
    password_plain: str | None,
    tls: str | None,
    password_tls: str | None,
    certificate: str | None,
) -> None:
    keeper = Doorkeeper(Access(profile=profile, password="s3cret"))
    assert reason(keeper, secure=False) == plain
    assert reason(keeper, secure=False, user="CP-1", password=b"s3cret") == password_plain
    assert reason(keeper) == tls
    assert reason(keeper, user="CP-1", password=b"s3cret") == password_tls
    assert reason(keeper, certificate="CP-1") == certificate


def test_nothing_is_asked_for_where_nothing_is_known() -> None:
    keeper = Doorkeeper()
    assert reason(keeper, secure=False) is None
    assert reason(keeper, secure=False, user="CP-1", password=b"whatever") is None


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        ("CP-1", b"wrong", "401 wrong_password"),
        ("CP-1", b"", "401 wrong_password"),
        ("CP-2", b"s3cret", "401 wrong_user"),
        (None, None, "401 no_password"),
        ("CP-1", b"s3cret", None),
    ],
)
def test_wrong_credentials_are_refused(
    user: str | None, password: bytes | None, expected: str | None
) -> None:
    keeper = Doorkeeper(Access(profile=1, password="s3cret"))
    assert reason(keeper, user=user, password=password) == expected


def test_a_stations_own_password_wins_over_everybodys() -> None:
    keeper = Doorkeeper(Access(password="all", passwords={"CP-1": "own"}))
    assert reason(keeper, user="CP-1", password=b"all") == "401 wrong_password"
    assert reason(keeper, user="CP-1", password=b"own") is None
    assert reason(keeper, "CP-2", user="CP-2", password=b"all") is None


def test_profile_1_refuses_a_station_that_nobody_knows() -> None:
    keeper = Doorkeeper(Access(profile=1, passwords={"CP-1": "own"}))
    assert reason(keeper, "CP-2", user="CP-2", password=b"own") == "401 unknown_station"


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_a_certificate_of_another_station_never_helps(profile: int) -> None:
    keeper = Doorkeeper(Access(profile=profile, password="s3cret"))
    said = reason(keeper, certificate="CP-2", user="CP-1", password=b"s3cret")
    assert said == "403 wrong_certificate"
    assert reason(keeper, certificate="") == "403 wrong_certificate"


def test_a_certificate_may_name_what_it_was_issued_for() -> None:
    keeper = Doorkeeper(Access(profile=3))
    assert reason(keeper, certificate="SERIAL-7") == "403 wrong_certificate"
    keeper.note_name("CP-1", "SERIAL-7")
    assert reason(keeper, certificate="SERIAL-7") is None
    assert reason(keeper, certificate="CP-1") is None
    assert reason(keeper, "CP-2", certificate="SERIAL-7") == "403 wrong_certificate"


def test_a_hexadecimal_key_counts_as_digits_and_as_bytes() -> None:
    assert forms_of(KEY) == (KEY.encode(), bytes.fromhex(KEY))
    assert forms_of("00112233") == (b"00112233",)
    keeper = Doorkeeper(Access(profile=1, password=KEY))
    assert reason(keeper, user="CP-1", password=KEY.encode()) is None
    assert reason(keeper, user="CP-1", password=bytes.fromhex(KEY)) is None
    assert reason(keeper, user="CP-1", password=bytes.fromhex(KEY)[:-1]) == "401 wrong_password"


def test_a_commanded_key_takes_the_old_ones_place() -> None:
    keeper = Doorkeeper(Access(profile=1, password="old"))
    keeper.note_key("CP-1", KEY, at_once=True)
    assert reason(keeper, user="CP-1", password=b"old") == "401 wrong_password"
    assert reason(keeper, user="CP-1", password=bytes.fromhex(KEY)) is None
    assert reason(keeper, "CP-2", user="CP-2", password=b"old") is None


def test_until_the_station_restarts_both_keys_count() -> None:
    keeper = Doorkeeper(Access(profile=1, password="old"))
    keeper.note_key("CP-1", KEY, at_once=False)
    assert reason(keeper, user="CP-1", password=b"old") is None
    assert reason(keeper, user="CP-1", password=bytes.fromhex(KEY)) is None
    assert reason(keeper, user="CP-1", password=b"other") == "401 wrong_password"


def test_a_key_that_was_never_shown_does_not_lock_a_station_of_profile_0_out() -> None:
    keeper = Doorkeeper()
    keeper.note_key("CP-1", KEY, at_once=True)
    assert reason(keeper, secure=False) is None
    assert reason(keeper, user="CP-1", password=b"wrong") == "401 wrong_password"
    assert reason(keeper, user="CP-1", password=bytes.fromhex(KEY)) is None
    assert reason(keeper, secure=False) == "401 no_password"  # it has shown that it has it


def test_what_is_remembered_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "REMEMBERED_MAX", 3)
    keeper = Doorkeeper(Access(profile=1, password="old"))
    for number in range(5):
        keeper.note_key(f"CP-{number}", KEY, at_once=True)
    assert keeper.forgotten == 2
    assert reason(keeper, "CP-0", user="CP-0", password=b"old") is None
    assert reason(keeper, "CP-4", user="CP-4", password=b"old") == "401 wrong_password"


@pytest.mark.parametrize(
    ("asked", "has_tls", "said"),
    [
        (Access(profile=1), False, "needs --password or --passwords"),
        (Access(profile=2, password="x"), False, "simfleet pki init"),
        (Access(profile=2), True, "needs --password or --passwords"),
        (Access(profile=3), False, "needs TLS"),
        (Access(profile=4), True, "0 to 3"),
        (Access(profile=3), True, None),
        (Access(profile=1, passwords={"CP-1": "x"}), False, None),
        (Access(), False, None),
    ],
)
def test_what_nobody_could_give_is_not_asked_for(
    asked: Access, has_tls: bool, said: str | None
) -> None:
    problem = asked.problem(has_tls=has_tls)
    assert (problem is None) if said is None else (problem is not None and said in problem)


def test_passwords_are_read_from_lines() -> None:
    text = "# of the test bench\nCP-1:one\n\nCP 2:t:w o\n"
    assert parse_passwords(text, source="p.txt") == {"CP-1": "one", "CP 2": "t:w o"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CP-1", "p.txt:1: write identity:password"),
        (":secret", "p.txt:1: write identity:password"),
        ("\nCP-1:", "p.txt:2: a password has 1 to 64"),
        ("CP-1:" + "x" * 65, "p.txt:1: a password has 1 to 64"),
        ("CP-1:ä", "p.txt:1: a password has 1 to 64"),
        ("A:1\nA:2", "p.txt:2: 'A' has a password already"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_without_the_password(text: str, said: str) -> None:
    with pytest.raises(UsageWrong) as wrong:
        parse_passwords(text, source="p.txt")
    assert said in str(wrong.value)
    assert "secret" not in str(wrong.value)
