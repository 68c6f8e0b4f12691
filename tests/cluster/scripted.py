"""A loopback server that answers as a test tells it to: late, cut short, with text, or never."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LONG_SECONDS = 5.0


class ScriptedServer(ThreadingHTTPServer):
    """Calls `script(method, path)` for what to do with each request, and keeps a list of them in `seen`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Callable[[str, str], Callable[[BaseHTTPRequestHandler], None]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.seen: list[tuple[str, str]] = []
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that leads here."""
        path = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": self.url}}],
            "users": [{"name": "a", "user": {"token": "secret"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def stop(self) -> None:
        """Let go of requests that hang, and stop to listen."""
        self.over.set()
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        path = self.path.partition("?")[0]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, path))  # type: ignore[attr-defined]
        self.server.script(self.command, path)(self)  # type: ignore[attr-defined]

    do_GET = do_PATCH = do_POST = _handle  # noqa: N815 - names that http.server looks for

    def log_message(self, *arguments: object) -> None:
        pass


def replies(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    """Answer with this status and body; anything but text becomes JSON."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return act


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Never answer: close after far more time than any test gives."""
    handler.close_connection = True
    handler.server.over.wait(_LONG_SECONDS)  # type: ignore[attr-defined]


def is_cut(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"items": [')
    handler.wfile.flush()
    handler.close_connection = True


def trickles(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then: no single read waits long, and the answer does not come to its end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    end = time.monotonic() + _LONG_SECONDS
    while time.monotonic() < end and not handler.server.over.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b" ")
        handler.wfile.flush()
