from __future__ import annotations

import ssl

import pytest
import trustme

from builders_transfer import HANG_UP, FtpServer, ftp_server
from simfleet.transfer import Kind, TransferFailed, download, upload


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def trust(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


async def failing(server: FtpServer, path: str = "/a.txt", login: str = "") -> TransferFailed:
    with pytest.raises(TransferFailed) as failed:
        await upload(server.url(path, login=login), "a.txt", b"hello", timeout_s=5)
    return failed.value


async def test_a_file_is_stored_where_the_url_says() -> None:
    with ftp_server() as server:
        await upload(server.url("/logs/today.txt"), "a.txt", b"hello")
        await upload(server.url("/logs/"), "a b.txt", b"there")
        assert server.files == {"logs/today.txt": b"hello", "logs/a b.txt": b"there"}
        assert server.commands[0] == "USER anonymous"
        assert server.commands[-1] == "QUIT"


async def test_the_urls_user_logs_in() -> None:
    with ftp_server() as server:
        server.user, server.password = "me", "se:cret@"
        await upload(server.url("/x", login="me:se%3Acret%40@"), "", b"hello")
        assert server.files == {"x": b"hello"}
        failed = await failing(server, login="me:wrong@")
        assert failed.kind is Kind.PERMISSION
        assert "530 Login incorrect." in failed.detail
        assert "wrong" not in str(failed)
        assert (await failing(server, login="you:x@")).kind is Kind.PERMISSION


async def test_a_file_is_retrieved_byte_for_byte() -> None:
    content = bytes(range(256)) * 4000
    with ftp_server() as server:
        server.files["fw/v2.bin"] = content
        assert await download(server.url("/fw/v2.bin")) == content


async def test_a_file_that_is_not_there_is_said_so() -> None:
    with ftp_server() as server:
        with pytest.raises(TransferFailed, match="550 No such file") as failed:
            await download(server.url("/fw.bin"))
        assert failed.value.kind is Kind.FTP
        assert "ftp://localhost" in failed.value.detail


async def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    with ftp_server() as server:
        server.files["fw"] = b"x" * 200_000
        with pytest.raises(TransferFailed) as failed:
            await download(server.url("/fw"), size_max_bytes=1000)
        assert failed.value.kind is Kind.TOO_LARGE


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("552 no room", Kind.FTP),
        ("450 busy", Kind.FTP),
        ("532 need account", Kind.PERMISSION),
        ("nonsense", Kind.ANSWER),
    ],
)
async def test_a_refusal_says_what_the_server_said(reply: str, kind: Kind) -> None:
    with ftp_server() as server:
        server.replies["STOR"] = reply
        failed = await failing(server)
        assert (failed.kind, reply in failed.detail) == (kind, True)
        assert server.files == {}


async def test_a_server_that_hangs_up_is_said_so() -> None:
    with ftp_server() as server:
        server.replies["TYPE"] = HANG_UP
        failed = await failing(server)
        assert (failed.kind, "hung up" in failed.detail) == (Kind.TCP, True)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with ftp_server() as server:
        server.replies["PASS"] = None
        with pytest.raises(TransferFailed, match="took more than") as failed:
            await upload(server.url("/x"), "", b"", timeout_s=0.3)
        assert failed.value.kind is Kind.TIMED_OUT


async def test_an_encrypted_transfer_encrypts_the_file_too(ca: trustme.CA) -> None:
    with ftp_server(ca=ca) as server:
        await upload(server.url("/x", scheme="ftps"), "", b"hello", ssl_context=trust(ca))
        assert server.files == {"x": b"hello"}
        assert server.encrypted
        assert "PROT P" in server.commands
        assert server.commands.index("AUTH TLS") < server.commands.index("USER anonymous")
        there = server.url("/x", scheme="ftps")
        assert await download(there, ssl_context=trust(ca)) == b"hello"


async def test_a_server_that_is_not_trusted_learns_no_password(ca: trustme.CA) -> None:
    with ftp_server(ca=ca) as server:
        with pytest.raises(TransferFailed) as failed:
            await upload(server.url("/x", scheme="ftps", login="me:secret@"), "", b"hello")
        assert failed.value.kind is Kind.TLS
        assert server.commands == ["AUTH TLS"]


async def test_a_server_without_tls_learns_no_password(ca: trustme.CA) -> None:
    with ftp_server() as server:
        with pytest.raises(TransferFailed, match="502 no TLS") as failed:
            await upload(server.url("/x", scheme="ftps", login="me:secret@"), "", b"hello")
        assert failed.value.kind is Kind.FTP
        assert server.commands == ["AUTH TLS"]
