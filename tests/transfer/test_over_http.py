from __future__ import annotations

import base64
import socket
import ssl

import pytest
import trustme

from builders_transfer import HttpServer, give, hang, http_server, redirect, refuse, say
from simfleet.transfer import Kind, TransferFailed, download, upload


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def trust(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


def authorization(server: HttpServer) -> str:
    kind, _, value = server.requests[-1].headers["authorization"].partition(" ")
    assert kind == "Basic"
    return base64.b64decode(value).decode()


async def failing(server: HttpServer, path: str = "/x") -> TransferFailed:
    with pytest.raises(TransferFailed) as failed:
        await upload(server.url + path, "a.txt", b"hello", timeout_s=5)
    return failed.value


async def test_a_file_is_put_where_the_url_says() -> None:
    with http_server() as server:
        await upload(f"{server.url}/logs/today.txt?station=7", "a.txt", b"hello")
        assert server.files == {"/logs/today.txt?station=7": b"hello"}
        assert server.requests[0].method == "PUT"


@pytest.mark.parametrize(
    ("path", "written"), [("/logs/", "/logs/a%20b.txt"), ("", "/a%20b.txt"), ("/logs", "/logs")]
)
async def test_a_url_that_ends_in_a_slash_is_a_folder(path: str, written: str) -> None:
    with http_server() as server:
        await upload(server.url + path, "a b.txt", b"")
        assert server.files == {written: b""}


async def test_the_urls_user_is_the_user_of_basic_authentication() -> None:
    with http_server() as server:
        await upload(f"{server.url_as('me', 'se%3Acret%40')}/x", "a.txt", b"hello")
        assert authorization(server) == "me:se:cret@"
        await upload(f"{server.url}/x", "a.txt", b"hello")
        assert "authorization" not in server.requests[-1].headers


async def test_megabytes_arrive_unharmed_both_ways() -> None:
    content = bytes(range(256)) * 8192
    with http_server() as server:
        await upload(f"{server.url}/big", "", content)
        assert server.files["/big"] == content
        assert await download(f"{server.url}/big") == content


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_knows_nobody_refuses_permission(status: int) -> None:
    with http_server() as server:
        server.answers["/x"] = refuse(status, "who are you?")
        failed = await failing(server)
        assert failed.kind is Kind.PERMISSION
        assert f"is answered with {status}" in failed.detail
        assert "who are you?" in failed.detail


async def test_a_refusal_says_the_status_and_the_first_words_of_the_body() -> None:
    with http_server() as server:
        server.answers["/x"] = refuse(507, "disk full " * 1000)
        failed = await failing(server)
        assert failed.kind is Kind.STATUS
        assert "PUT http://localhost" in failed.detail
        assert "507" in failed.detail
        assert "disk full" in failed.detail
        assert len(failed.detail) < 400


async def test_a_refusal_is_understood_even_if_the_server_does_not_read_the_file() -> None:
    with http_server() as server:
        server.answers["/x"] = refuse(413, "too large")
        with pytest.raises(TransferFailed, match=r"413|broke|hung up"):
            await upload(f"{server.url}/x", "", b"x" * 5_000_000)


async def test_a_password_is_never_in_what_is_said() -> None:
    with http_server() as server:
        server.answers["/x"] = refuse(500)
        with pytest.raises(TransferFailed) as failed:
            await upload(f"{server.url_as('me', 'secret')}/x", "", b"")
        assert "secret" not in str(failed.value)
    with pytest.raises(TransferFailed) as failed:
        await upload("http://me:secret@:99999/x", "", b"")
    assert "secret" not in str(failed.value)


async def test_nobody_listening_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(TransferFailed, match="cannot be reached") as failed:
        await upload(f"http://127.0.0.1:{port}/", "a", b"")
    assert failed.value.kind is Kind.TCP


async def test_a_name_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(TransferFailed, match="cannot be resolved") as failed:
        await upload("http://nobody.invalid/", "a", b"", timeout_s=30)
    assert failed.value.kind is Kind.DNS


async def test_what_is_no_http_is_said_so() -> None:
    with http_server() as server:
        server.answers["/x"] = say(b"SSH-2.0-OpenSSH_9.9\r\n")
        assert (await failing(server)).kind is Kind.ANSWER
        server.answers["/x"] = say(b"")
        failed = await failing(server)
        assert (failed.kind, "hung up" in failed.detail) == (Kind.TCP, True)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sftp://h/x", Kind.SCHEME),
        ("file:///etc/passwd", Kind.SCHEME),
        ("/just/a/path", Kind.URL),
        ("", Kind.URL),
        ("http://", Kind.URL),
        ("http://h:abc/", Kind.URL),
        ("http://[::1/", Kind.URL),
        ("http://h/%0d%0aX: y", Kind.URL),
        ("http://" + "h" * 3000, Kind.URL),
        ("http://" + "ü" * 70 + "/", Kind.URL),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_with_what_is_accepted(
    url: str, kind: Kind
) -> None:
    with pytest.raises(TransferFailed) as failed:
        await download(url)
    assert failed.value.kind is kind
    if kind is Kind.SCHEME:
        assert "http://, https://, ftp://, ftps://" in failed.value.detail


# ── downloads ───────────────────────────────────────────────────────────────────────────────────


async def test_redirects_are_followed() -> None:
    with http_server() as server, http_server() as other:
        other.files["/new/fw.bin"] = b"firmware"
        server.answers["/fw.bin"] = redirect("/moved", 301)
        server.answers["/moved"] = redirect(f"{other.url}/new/fw.bin", 307)
        assert await download(f"{server.url_as('me', 'secret')}/fw.bin") == b"firmware"
        assert [one.path for one in server.requests] == ["/fw.bin", "/moved"]
        assert "authorization" in server.requests[1].headers
        assert "authorization" not in other.requests[0].headers  # another server: not its business


async def test_redirects_have_an_end() -> None:
    with http_server() as server:
        server.answers["/loop"] = redirect("/loop")
        with pytest.raises(TransferFailed, match="more than 5 redirects") as failed:
            await download(f"{server.url}/loop")
        assert failed.value.kind is Kind.REDIRECT
        assert len(server.requests) == 6


async def test_a_redirect_never_leads_from_tls_to_plain_text(ca: trustme.CA) -> None:
    with http_server(ca=ca) as server, http_server() as other:
        server.answers["/fw"] = redirect(f"{other.url}/fw")
        with pytest.raises(TransferFailed, match="not followed") as failed:
            await download(f"{server.url}/fw", ssl_context=trust(ca))
        assert failed.value.kind is Kind.REDIRECT
        assert other.requests == []


async def test_an_upload_follows_only_redirects_that_keep_the_method() -> None:
    with http_server() as server:
        server.answers["/x"] = redirect("/y", 307)
        await upload(f"{server.url}/x", "", b"hello")
        assert server.files == {"/y": b"hello"}
        server.answers["/x"] = redirect("/z", 302)
        with pytest.raises(TransferFailed, match="302, to /z") as failed:
            await upload(f"{server.url}/x", "", b"hello")
        assert failed.value.kind is Kind.STATUS


async def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    with http_server() as server:
        server.files["/fw"] = b"x" * 1001
        server.files["/fits"] = b"x" * 1000
        assert len(await download(f"{server.url}/fits", size_max_bytes=1000)) == 1000
        with pytest.raises(TransferFailed, match="more than 1000 bytes") as failed:
            await download(f"{server.url}/fw", size_max_bytes=1000)
        assert failed.value.kind is Kind.TOO_LARGE
        server.answers["/fw"] = say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        with pytest.raises(TransferFailed, match="more than 1000 bytes"):
            await download(f"{server.url}/fw", size_max_bytes=1000)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
    ],
)
async def test_a_file_that_is_cut_short_is_no_file(raw: bytes) -> None:
    with http_server() as server:
        server.answers["/fw"] = say(raw)
        with pytest.raises(TransferFailed) as failed:
            await download(f"{server.url}/fw")
        assert failed.value.kind is Kind.TCP


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────


async def test_https_reaches_a_server_that_is_trusted(ca: trustme.CA) -> None:
    with http_server(ca=ca) as server:
        await upload(f"{server.url}/x", "", b"hello", ssl_context=trust(ca))
        assert server.files == {"/x": b"hello"}
        assert await download(f"{server.url}/x", ssl_context=trust(ca)) == b"hello"


async def test_https_refuses_a_server_that_is_not_trusted(ca: trustme.CA) -> None:
    with http_server(ca=ca) as server:
        with pytest.raises(TransferFailed, match="not trusted") as failed:
            await upload(f"{server.url}/x", "", b"hello")
        assert failed.value.kind is Kind.TLS
        assert server.files == {}
        with pytest.raises(TransferFailed) as failed:
            await upload(f"https://127.0.0.1:{server.port}/", "", b"", ssl_context=trust(ca))
        assert failed.value.kind is Kind.TLS  # another name than the certificate's


async def test_https_towards_plain_http_is_a_matter_of_tls(ca: trustme.CA) -> None:
    with http_server() as server:
        with pytest.raises(TransferFailed) as failed:
            await upload(f"https://localhost:{server.port}/", "", b"", ssl_context=trust(ca))
        assert failed.value.kind is Kind.TLS


async def test_a_server_that_never_answers_is_given_up() -> None:
    with http_server() as server:
        server.answers["/x"] = hang(server)
        with pytest.raises(TransferFailed, match=r"took more than 0\.2 s") as failed:
            await upload(f"{server.url}/x", "", b"hello", timeout_s=0.2)
        assert failed.value.kind is Kind.TIMED_OUT


async def test_content_is_given_byte_for_byte() -> None:
    with http_server() as server:
        server.answers["/fw"] = give(b"\x00\xff\r\n")
        assert await download(f"{server.url}/fw") == b"\x00\xff\r\n"
