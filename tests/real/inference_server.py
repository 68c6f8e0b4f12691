"""An inference server without a GPU: vLLM's metric names, a queue in front of a few places, and a service time."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PROMPT_TOKENS, OUTPUT_TOKENS = 500, 100
"""Of every request, whatever it asks for."""


class LoopbackServer(ThreadingHTTPServer):
    """A server on one loopback address, in threads of its own; `answer` gets method, path and body."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, port: int, answer: Callable[[str, str, bytes], tuple[int, str, bytes]]) -> None:
        super().__init__((address, port), _Handler)
        self.answer = answer
        self.port = int(self.server_address[1])
        self.url = f"http://{address}:{self.port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=self.url, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to listen."""
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        status, content_type, content = self.server.answer(self.command, self.path, body)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


class InferenceServer:
    """Serves `POST /v1/completions`, `GET /metrics` and `GET /health` on one address.

    At most `places` requests run at once, each for `service_seconds`; the others wait in line.
    """

    def __init__(self, address: str, port: int, places: int, service_seconds: float, model: str = "llama-8b") -> None:
        self._places, self._service_seconds, self._model = threading.Semaphore(places), service_seconds, model
        self._lock = threading.Lock()
        self._in_flight = 0
        self._registry = CollectorRegistry()
        labels: dict[str, Any] = {"labelnames": ("engine", "model_name"), "registry": self._registry}
        values = ("0", model)
        self._waiting = Gauge("vllm:num_requests_waiting", "Waiting requests.", **labels).labels(*values)
        self._running = Gauge("vllm:num_requests_running", "Running requests.", **labels).labels(*values)
        self._cache = Gauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use.", **labels).labels(*values)
        self._first_token = Histogram(
            "vllm:time_to_first_token_seconds", "Time to first token.", buckets=_BUCKETS, **labels
        ).labels(*values)
        self._end_to_end = Histogram(
            "vllm:e2e_request_latency_seconds", "End-to-end latency.", buckets=_BUCKETS, **labels
        ).labels(*values)
        self._prompt = Counter("vllm:prompt_tokens", "Prompt tokens.", **labels).labels(*values)
        self._generated = Counter("vllm:generation_tokens", "Generated tokens.", **labels).labels(*values)
        labels["labelnames"] += ("finished_reason",)
        self._done = Counter("vllm:request_success", "Finished requests.", **labels).labels(*values, "stop")
        self._server = LoopbackServer(address, port, self._answer)

    @property
    def in_flight(self) -> int:
        """Requests waiting or running."""
        return self._in_flight

    def drain(self, timeout_seconds: float) -> None:
        """Return when nothing is in flight, or when the time is over."""
        end = time.monotonic() + timeout_seconds
        while self._in_flight and time.monotonic() < end:
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop to listen."""
        self._server.stop()

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        if (method, path) == ("GET", "/metrics"):
            return 200, "text/plain; version=0.0.4", generate_latest(self._registry)
        if (method, path) == ("GET", "/health"):
            return 200, "text/plain", b""
        if (method, path) == ("POST", "/v1/completions"):
            return 200, "application/json", self._complete(json.loads(body or b"{}"))
        return 404, "text/plain", b"not found\n"

    def _complete(self, request: dict[str, Any]) -> bytes:
        arrived = time.monotonic()
        with self._lock:
            self._in_flight += 1
        self._waiting.inc()
        try:
            with self._places:
                self._waiting.dec()
                self._running.inc()
                self._first_token.observe(time.monotonic() - arrived + 0.02)
                self._prompt.inc(PROMPT_TOKENS)
                time.sleep(self._service_seconds)
                self._generated.inc(OUTPUT_TOKENS)
                self._running.dec()
        finally:
            with self._lock:
                self._in_flight -= 1
        self._end_to_end.observe(time.monotonic() - arrived)
        self._done.inc()
        choices = [{"text": "…", "finish_reason": "stop"}]
        return json.dumps({"model": request.get("model", self._model), "choices": choices}).encode()
