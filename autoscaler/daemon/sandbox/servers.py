"""Small HTTP servers on free loopback ports: one per replica, one for the gateway."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from autoscaler.daemon.sandbox.metrics_page import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.1
_REQUEST_SECONDS = 5.0


class PageServer:
    """Answers `GET /metrics` with a page and `GET /health` with 200, on a free loopback port, until closed."""

    def __init__(self, page: Callable[[], str]) -> None:
        self._server = _QuietServer((LOOPBACK, 0), _handler(page))
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://{self.address}/metrics"

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away; the terminal belongs to the view."""


def _handler(page: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, page(), CONTENT_TYPE)
            elif path == "/health":
                self._answer(HTTPStatus.OK, "ok\n", "text/plain; charset=utf-8")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "try /metrics\n", "text/plain; charset=utf-8")

        def _answer(self, status: HTTPStatus, text: str, content_type: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - upstream's name
            """Say nothing: the terminal belongs to the view."""

    return Handler
