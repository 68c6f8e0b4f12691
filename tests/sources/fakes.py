"""Servers on loopback that answer, or misbehave, as a test tells them."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Handler = BaseHTTPRequestHandler


class FakeServer(ThreadingHTTPServer):
    """Gives every request to `answer`, and remembers what was asked with which headers."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, answer: Callable[[Handler, str], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.timeouts: list[str] = []
        """What each query said of how long Prometheus may take."""
        self.released = threading.Event()
        """What hangs does so until this is set."""
        self.hanging = threading.Semaphore(0)
        """Released once for each request that begins to hang."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counter[str]:
        """How often each path or query was asked for."""
        return Counter(self.asked)

    def hang(self) -> None:
        """Keep the caller waiting until the test ends or says otherwise."""
        self.hanging.release()
        self.released.wait(30)

    def stop(self) -> None:
        """Stop to listen, and let go what hangs."""
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeServer

    def do_GET(self) -> None:
        self._dispatch(self.path)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parameters = parse_qs(urlsplit(self.path).query)
        self.server.timeouts += parameters.get("timeout", [])
        self._dispatch(parameters["query"][0])

    def _dispatch(self, asked: str) -> None:
        self.server.asked.append(asked)
        self.server.authorizations.append(self.headers.get("Authorization"))
        with suppress(OSError):
            self.server.answer(self, asked)

    def log_message(self, *arguments: object) -> None:
        pass


def send(
    handler: Handler, content: bytes | str, status: int = 200, content_type: str = "application/json", **headers: str
) -> None:
    """Answer with this."""
    body = content.encode() if isinstance(content, str) else content
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def drip(handler: Handler, server: FakeServer) -> None:
    """Answer with one byte at a time, for ten seconds: no single wait on the socket is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(500):
        if server.released.wait(0.02):
            break
        handler.wfile.write(b" ")


def cut(handler: Handler, content: bytes = b"") -> None:
    """Send this, and hang up."""
    handler.wfile.write(content)
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def vector(*rows: tuple[dict[str, str], float | str], at: float = 1000.0, **envelope: Any) -> bytes:
    """Return an answer of Prometheus' query API with these series."""
    result = [{"metric": labels, "value": [at, str(value)]} for labels, value in rows]
    return answer("vector", result, **envelope)


def answer(form: str, result: Any, **envelope: Any) -> bytes:
    """Return an answer of Prometheus' query API."""
    return json.dumps({"status": "success", "data": {"resultType": form, "result": result}, **envelope}).encode()


def refusal(kind: str, text: str) -> bytes:
    """Return an error in Prometheus' own form."""
    return json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


def zipped(content: bytes) -> bytes:
    """Return the content as a server sends it with `Content-Encoding: gzip`."""
    return gzip.compress(content)


class FakePrometheus(FakeServer):
    """Answers queries that contain a key of `replies` with its value, and all others with an empty vector.

    A value is a body, or a function that gets the handler.
    """

    def __init__(self, replies: dict[str, bytes | Callable[[Handler], None]] | None = None) -> None:
        self.replies = dict(replies or {})
        super().__init__(self._reply)

    def _reply(self, handler: Handler, query: str) -> None:
        found = next((reply for key, reply in self.replies.items() if key in query), vector())
        if callable(found):
            found(handler)
        else:
            send(handler, found)
