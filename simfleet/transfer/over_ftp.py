"""One file over FTP or FTPS (RFC 959, RFC 4217), blocking; run in a worker thread.

`ftplib` speaks the protocol; here its connections are those that can be cancelled.
"""

from __future__ import annotations

import ftplib
import io
from typing import TYPE_CHECKING, Any, Final

from simfleet.transfer.failure import Kind, TransferFailed

if TYPE_CHECKING:
    import socket
    import ssl

    from simfleet.transfer.location import Location
    from simfleet.transfer.work import Sockets

CHUNK_BYTES: Final = 65_536
ANONYMOUS: Final = ("anonymous", "simfleet@")
_PERMISSION: Final = frozenset({"430", "530", "532", "534"})
_SAID_MAX_CHARS: Final = 200


class _Ftp(ftplib.FTP):
    """FTP in passive mode over sockets in care."""

    sockets: Sockets

    def begin(self, sock: socket.socket, host: str) -> None:
        """Instead of `connect`: over a connection that is open already."""
        self.host, self.sock, self.af = host, sock, sock.family
        self.file = sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """As in `ftplib`, but a connection that can be cancelled while it opens."""
        assert self.sock is not None
        host, port = self.makepasv()
        connection = self.sockets.connect(host, port, timeout_s=self.sock.gettimeout() or 1.0)
        try:
            reply = self.sendcmd(cmd)
            if reply[0] == "2":  # some servers send the reply to the whole transfer first
                reply = self.getresp()
            if reply[0] != "1":
                raise ftplib.error_reply(reply)
        except BaseException:
            connection.close()
            raise
        return connection, None

    def voidresp(self) -> str:
        """As in `ftplib`. It comes after the data connection is closed, which the server sees only
        when nobody holds it any more.
        """
        self.sockets.let_go_of_data()
        return super().voidresp()


class _Ftps(ftplib.FTP_TLS, _Ftp):
    """The same with AUTH TLS, data connections included."""

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """As in `ftplib`, with the session of the control connection: many servers ask for it."""
        connection, size = _Ftp.ntransfercmd(self, cmd, rest)
        control: Any = self.sock
        wrapped = self.context.wrap_socket(
            connection, server_hostname=self.host, session=control.session
        )
        return wrapped, size


def store(
    sockets: Sockets,
    sock: socket.socket,
    location: Location,
    *,
    content: bytes,
    context: ssl.SSLContext | None,
) -> None:
    """STOR `content`. Closes the socket. Raises `TransferFailed` and `OSError`."""
    with _Session(sockets, sock, location, context) as ftp:
        ftp.storbinary(f"STOR {location.ftp_path}", io.BytesIO(content), CHUNK_BYTES)


def retrieve(
    sockets: Sockets,
    sock: socket.socket,
    location: Location,
    *,
    size_max_bytes: int,
    context: ssl.SSLContext | None,
) -> bytes:
    """RETR a file. Closes the socket. Raises `TransferFailed` and `OSError`."""
    parts: list[bytes] = []
    size = 0

    def take(part: bytes) -> None:
        nonlocal size
        size += len(part)
        if size > size_max_bytes:
            raise TransferFailed(Kind.TOO_LARGE, f"the file has more than {size_max_bytes} bytes")
        parts.append(part)

    with _Session(sockets, sock, location, context) as ftp:
        ftp.retrbinary(f"RETR {location.ftp_path}", take, CHUNK_BYTES)
    return b"".join(parts)


class _Session:
    """Logged in on entering; on leaving, a farewell after a success, and what FTP calls errors
    become `TransferFailed`.
    """

    def __init__(
        self,
        sockets: Sockets,
        sock: socket.socket,
        location: Location,
        context: ssl.SSLContext | None,
    ) -> None:
        self._ftp: _Ftp = _Ftp() if context is None else _Ftps(context=context)
        self._ftp.sockets = sockets
        self._sockets, self._sock, self._location = sockets, sock, location
        self._context = context

    def __enter__(self) -> ftplib.FTP:
        location, ftp = self._location, self._ftp
        user, password = ANONYMOUS
        if location.user is not None:
            user, password = location.user, location.password
        try:
            self._sockets.hold(self._sock)
            ftp.begin(self._sock, location.host)
            ftp.login(user, password)  # with TLS, AUTH goes before it by itself
            if isinstance(ftp, _Ftps):
                ftp.prot_p()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return ftp

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        try:
            if error is None:
                self._ftp.quit()
        except (OSError, EOFError, ftplib.Error):
            pass  # the file is where it should be; how the server says farewell does not matter
        finally:
            self._ftp.close()
            self._sock.close()
        if isinstance(error, ftplib.Error):
            raise self._failure(error) from None
        if isinstance(error, EOFError):
            detail = f"{self._location.authority} hung up in the middle of a reply"
            raise TransferFailed(Kind.TCP, detail) from None
        if isinstance(error, ValueError) and not isinstance(error, OSError):  # TLS errors are both
            raise TransferFailed(Kind.URL, str(error)) from None

    def _failure(self, error: ftplib.Error) -> TransferFailed:
        said = " ".join(str(error).split())[:_SAID_MAX_CHARS]
        detail = f"{self._location.shown} is answered with {said!r}"
        if isinstance(error, ftplib.error_proto):
            return TransferFailed(Kind.ANSWER, detail)
        return TransferFailed(Kind.PERMISSION if said[:3] in _PERMISSION else Kind.FTP, detail)
