"""
Access control of the local server: only the user who started it has access.

The printed address contains a token. The first visit stores it in a cookie that scripts cannot read and other
sites cannot send. Requests for another host (DNS rebinding) or from another origin are rejected.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

LOCAL = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
NONCE = web.RequestKey("nonce", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """
    A token, and the middleware that requires it.

    Parameters
    ----------
    port
        Port of the server, which separates its origin and cookie from those of other local servers.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cookie = f"datagen-{port}"
        self._hosts = {f"{host}:{port}" for host in LOCAL}
        self._origins = {f"http://{host}" for host in self._hosts}

    @property
    def middleware(self) -> Middleware:
        """The middleware of the application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._check(request, handler)

        return check

    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        nonce = secrets.token_urlsafe(16)
        request[NONCE] = nonce
        try:
            response = self._rejection(request) or self._set_cookie(request) or await handler(request)
        except web.HTTPException as error:  # such as 404
            response = web.Response(status=error.status, text=error.reason)
        response.headers.update(HEADERS | {"Content-Security-Policy": POLICY.format(nonce)})
        return response

    def _rejection(self, request: web.Request) -> web.Response | None:
        origin = request.headers.get("Origin")
        if request.headers.get("Host") not in self._hosts:
            return web.Response(status=421, text="wrong host")
        if (origin is None and request.method != "GET") or (
            origin is not None and origin not in self._origins
        ):
            return web.Response(status=403, text="wrong origin")
        if self._is_token(request.cookies.get(self._cookie, "")) or self._is_token(
            request.query.get("token", "")
        ):
            return None
        return web.Response(
            status=403, text="Open the address that datagen browse printed: it contains a token."
        )

    def _set_cookie(self, request: web.Request) -> web.Response | None:
        """Move the token from the address to a cookie."""
        if "token" not in request.query or request.method != "GET":
            return None
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self.token.encode())
