"""`simfleet pki` as a person runs it."""

from __future__ import annotations

import os
import ssl
import stat
from typing import TYPE_CHECKING

import pytest

from simfleet.cli.main import main
from simfleet.csms.pki_folder import PEM_MAX_BYTES, PkiFolder
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from pathlib import Path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `simfleet pki`."""
    code = main(["pki", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_a_ca_and_a_server_that_openssl_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "pki"
    code, out, _ = said(capsys, "init", folder, "--host", "csms.example.org", "--host", "::1")
    assert code == 0
    assert str(folder / "ca.pem") in out
    assert "csms.example.org, ::1" in out
    assert [mode_of(folder / name) for name in ("ca.key", "server.key")] == [0o600, 0o600]
    assert sorted(os.listdir(folder)) == [
        "ca.key",
        "ca.pem",
        "chargers",
        "server.key",
        "server.pem",
    ]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")


def test_a_ca_is_replaced_only_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", tmp_path)
    before = (tmp_path / "ca.pem").read_bytes()
    code, _, err = said(capsys, "init", tmp_path)
    assert code == 2
    assert "is there already" in err
    assert "--force" in err
    assert (tmp_path / "ca.pem").read_bytes() == before
    assert said(capsys, "init", tmp_path, "--force")[0] == 0
    assert (tmp_path / "ca.pem").read_bytes() != before


def test_init_without_a_folder_makes_pki_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "init")[0] == 0
    assert (tmp_path / "pki" / "ca.pem").exists()


def test_issue_makes_a_certificate_and_a_key_for_each_identity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", tmp_path)
    code, out, _ = said(capsys, "issue", tmp_path, "CP-1", "../A /ß", "CP-1", "--days", 3)
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == ["CP-1", "../A /ß"]
    chargers = tmp_path / "chargers"
    assert sorted(os.listdir(chargers)) == [
        "..%2FA%20%2F%C3%9F.key",
        "..%2FA%20%2F%C3%9F.pem",
        "CP-1.key",
        "CP-1.pem",
    ]
    assert mode_of(chargers / "CP-1.key") == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(chargers / "CP-1.pem", chargers / "CP-1.key")
    assert PkiFolder(tmp_path).identities() == ["../A /ß", "CP-1"]


def test_a_certificate_is_replaced_only_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", tmp_path)
    said(capsys, "issue", tmp_path, "CP-1")
    key = (tmp_path / "chargers" / "CP-1.key").read_bytes()
    code, _, err = said(capsys, "issue", tmp_path, "CP-1")
    assert (code, (tmp_path / "chargers" / "CP-1.key").read_bytes()) == (2, key)
    assert "--force replaces it" in err
    assert said(capsys, "issue", tmp_path, "CP-1", "--force")[0] == 0


def test_show_tells_what_can_be_used_and_what_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", tmp_path, "--host", "csms.example.org")
    said(capsys, "issue", tmp_path, "CP-1", "--days", 9)
    code, out, err = said(capsys, "show", tmp_path)
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [row[0] for row in rows] == ["CA", "server", "charger"]
    assert rows[1][2] == "csms.example.org (csms.example.org)"
    assert rows[2][2] == "CP-1"
    assert rows[2][3].endswith("8 days")
    said(capsys, "init", tmp_path, "--force")
    (tmp_path / "chargers" / "BAD.pem").write_text("no certificate")
    code, out, err = said(capsys, "show", tmp_path)
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[3][3] == "not issued by this CA"
    assert "no certificate in PEM" in rows[2][2]
    assert "2 of these cannot be used" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("init", "{dir}", "--host", "a b"), "'a b' is no host"),
        (("init", "{dir}", "--days", "0"), "not a whole number from 1 to 36500"),
        (("issue", "{dir}", "CP-1"), "make a CA with `simfleet pki init"),
        (("show", "{dir}"), "make a CA with `simfleet pki init"),
        (("issue", "{dir}"), "IDENTITY"),
        ((), "VERB"),
    ],
)
def test_mistakes_say_what_to_write(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    code, _, err = said(capsys, *[part.format(dir=tmp_path) for part in arguments])
    assert code == 2
    assert expected in err
    assert "Traceback" not in err
    assert not (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize("identity", ["", "x" * 65, "ä" * 50])
def test_an_identity_that_no_certificate_can_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], identity: str
) -> None:
    said(capsys, "init", tmp_path)
    code, _, err = said(capsys, "issue", tmp_path, identity)
    assert code == 2
    assert "1 to 64" in err
    assert os.listdir(tmp_path / "chargers") == []


def test_a_ca_whose_parts_do_not_belong_together_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    said(capsys, "init", one)
    said(capsys, "init", two)
    (one / "ca.key").write_bytes((two / "ca.key").read_bytes())
    code, _, err = said(capsys, "issue", one, "CP-1")
    assert code == 2
    assert "the CA's key does not belong to its certificate" in err


def test_a_file_that_is_no_pem_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", tmp_path)
    (tmp_path / "ca.pem").write_bytes(b"x" * (PEM_MAX_BYTES + 1))
    assert f"over {PEM_MAX_BYTES} bytes" in said(capsys, "show", tmp_path)[2]
    (tmp_path / "ca.pem").write_bytes(b"x")
    assert "no certificate in PEM" in said(capsys, "show", tmp_path)[2]


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageWrong, match="No space left on device"):
        PkiFolder(tmp_path).init(at_wall_s=1_800_000_000)
    assert os.listdir(tmp_path) == ["chargers"]
