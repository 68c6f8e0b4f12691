"""A gateway in front of the pods: holds requests while none is ready, and says in its metrics how many it holds."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import urllib3
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tests.real.api import Api, Json, Watch
from tests.real.inference_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable

_BODY = b'{"model": "llama-8b", "prompt": "Why is the sky blue?"}'


class Gateway:
    """Sends each request to the ready pod with the fewest in flight; exports llm-d's queue gauge at `address`."""

    def __init__(self, api: Api, namespace: str, port: int, pool: str) -> None:
        self._port = port
        self._lock = threading.Condition()
        self._busy: dict[str, int] = {}
        self._ready: set[str] = set()
        registry = CollectorRegistry()
        name = "llm_d_epp_flow_control_queue_size"
        self._held = Gauge(name, "Requests held.", ("inference_pool",), registry=registry).labels(pool)
        page: Callable[[], bytes] = lambda: generate_latest(registry)  # noqa: E731
        self._server = LoopbackServer("127.0.0.1", 0, lambda *_: (200, "text/plain; version=0.0.4", page()))
        self.address = f"127.0.0.1:{self._server.port}"
        self._http = urllib3.PoolManager(retries=False, maxsize=64)
        self._watch = Watch(api, f"/api/v1/namespaces/{namespace}/pods", self._changed)

    def stop(self) -> None:
        """Stop to watch and to answer."""
        self._watch.stop()
        self._server.stop()
        self._http.clear()

    def complete(self, timeout_seconds: float) -> bool:
        """Send one request, held for as long as no pod is ready; say whether it was answered in time."""
        end = time.monotonic() + timeout_seconds
        while time.monotonic() < end:
            address = self._pick(end)
            if address and self._send(address, max(0.1, end - time.monotonic())):
                return True
        return False

    def _changed(self, kind: str, pod: Json) -> None:
        address = pod.get("status", {}).get("podIP", "")
        serves = kind != "DELETED" and not pod["metadata"].get("deletionTimestamp") and _is_ready(pod)
        with self._lock:
            if serves:
                self._ready.add(address)
            else:
                self._ready.discard(address)
            self._lock.notify_all()

    def _pick(self, end: float) -> str:
        with self._lock:
            self._held.inc()
            try:
                if not self._lock.wait_for(lambda: self._ready, max(0.0, end - time.monotonic())):
                    return ""
            finally:
                self._held.dec()
            address = min(self._ready, key=lambda each: self._busy.get(each, 0))
            self._busy[address] = self._busy.get(address, 0) + 1
            return address

    def _send(self, address: str, timeout_seconds: float) -> bool:
        try:
            url = f"http://{address}:{self._port}/v1/completions"
            return self._http.request("POST", url, body=_BODY, timeout=timeout_seconds).status == 200
        except urllib3.exceptions.HTTPError:
            return False
        finally:
            with self._lock:
                self._busy[address] -= 1


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


class Load:
    """Clients that each send one request after the other; `keep` says how many of them there are."""

    def __init__(self, gateway: Gateway, timeout_seconds: float = 30) -> None:
        self._gateway, self._timeout_seconds = gateway, timeout_seconds
        self._leave: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.answered = 0
        self.failed = 0

    def keep(self, clients: int) -> None:
        """Have so many requests in flight from now on; a client that is to go finishes its request."""
        while len(self._leave) > clients:
            self._leave.pop().set()
        while len(self._leave) < clients:
            leave = threading.Event()
            self._leave.append(leave)
            thread = threading.Thread(target=self._send, args=(leave,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Send nothing more, and wait for what is in flight."""
        self.keep(0)
        for thread in self._threads:
            thread.join(self._timeout_seconds + 5)

    def _send(self, leave: threading.Event) -> None:
        while not leave.is_set():
            answered = self._gateway.complete(self._timeout_seconds)
            with self._lock:
                self.answered += answered
                self.failed += not answered
