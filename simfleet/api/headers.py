"""Headers on every answer, and which other origins' pages may call (CORS).

Nothing is sent about HTTPS (Strict-Transport-Security): SimFleet speaks plain HTTP, and the proxy
that adds TLS in front of it is the one to promise it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Response, current_app, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from quart import Quart

__all__ = ["PAGE_POLICY", "SECURITY", "install"]

SECURITY: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a URL may hold ?api_key=
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For our own pages: everything from here, nothing from elsewhere."""
ALLOWED_HEADERS: Final = "X-API-Key, Authorization, Content-Type, Last-Event-ID, Idempotency-Key"
EXPOSED_HEADERS: Final = "X-Error-Code, Retry-After"
METHODS: Final = "GET, POST, PUT, DELETE"
PREFLIGHT_MAX_AGE_S: Final = 600


def install(
    app: Quart, *, cors_origins: tuple[str, ...] = ()
) -> Callable[[], Awaitable[Response | None]]:
    """Add the headers to every answer of `app`.

    Returns the answer to a preflight request (None for any other), to be asked before anything
    that would refuse one: a browser sends no key with it.
    """

    def allowed(origin: str) -> str | None:
        if "*" in cors_origins:
            return "*"
        return origin if origin in cors_origins else None

    async def add(response: Response) -> Response:
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)
        if cors_origins:
            response.headers.add("Vary", "Origin")
            origin = allowed(request.headers.get("Origin", ""))
            if origin is not None:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        return response

    async def preflight() -> Response | None:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asked or allowed(request.headers.get("Origin", "")) is None:
            return None
        return current_app.response_class(
            b"",
            status=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": ALLOWED_HEADERS,
                "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
            },
        )

    app.after_request(add)
    return preflight
