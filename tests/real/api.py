"""The Kubernetes API as plain JSON over HTTPS: what the fixtures speak, apart from the client that is tested."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The server answered with something else than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class Api:
    """One API server under one token; may be used from many threads."""

    def __init__(self, url: str, token: str, ca_file: Path) -> None:
        self.url, self.token, self.ca_file = url, token, ca_file
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), retries=False, maxsize=32)

    def get(self, path: str) -> Json:
        """Return one object, or a list."""
        return self.call("GET", path)

    def items(self, path: str) -> list[Json]:
        """Return the objects of a list."""
        return list(self.get(path)["items"] or [])

    def create(self, path: str, body: Json) -> Json:
        """Create an object."""
        return self.call("POST", path, body)

    def patch(self, path: str, body: Json, content_type: str = MERGE) -> Json:
        """Change an object."""
        return self.call("PATCH", path, body, content_type)

    def delete(self, path: str, grace_seconds: int | None = None) -> Json:
        """Delete an object."""
        return self.call("DELETE", path, None if grace_seconds is None else {"gracePeriodSeconds": grace_seconds})

    def call(self, method: str, path: str, body: Json | None = None, content_type: str = "application/json") -> Json:
        """Send one request.

        Raises:
            ApiError: the status is not a success.
        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        content = None if body is None else json.dumps(body).encode()
        response = self._pool.request(method, self.url + path, body=content, headers=headers, timeout=20)
        answer = response.data.decode()
        if response.status >= 300:
            with suppress(ValueError, KeyError):
                answer = json.loads(answer)["message"]
            raise ApiError(response.status, answer)
        return dict(json.loads(answer)) if answer.startswith("{") else {"text": answer}

    def stream(self, path: str) -> urllib3.BaseHTTPResponse:
        """Begin a watch, and return the open response."""
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = urllib3.Timeout(connect=5, read=60)
        return self._pool.request("GET", self.url + path, headers=headers, timeout=timeout, preload_content=False)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()


class Watch:
    """A copy of a collection, kept up to date by a watch; `on_change` is called with each object that changes."""

    def __init__(self, api: Api, path: str, on_change: Callable[[str, Json], None] = lambda kind, each: None) -> None:
        self._api, self._path, self._on_change = api, path, on_change
        self._lock = threading.Lock()
        self._objects: dict[str, Json] = {}
        self._response: urllib3.BaseHTTPResponse | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self._thread.start()

    @property
    def objects(self) -> list[Json]:
        """What is there now."""
        with self._lock:
            return list(self._objects.values())

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        response = self._response
        if response is not None:
            with suppress(Exception):
                response.shutdown()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow(self._list())
            except (urllib3.exceptions.HTTPError, ApiError, ValueError):
                self._stopped.wait(0.2)

    def _list(self) -> str:
        answer = self._api.get(self._path)
        found = {each["metadata"]["uid"]: each for each in answer["items"] or []}
        with self._lock:
            gone = [each for uid, each in self._objects.items() if uid not in found]
            self._objects = found
        for each in found.values():
            self._on_change("MODIFIED", each)
        for each in gone:
            self._on_change("DELETED", each)
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        self._response = self._api.stream(f"{self._path}?watch=1&timeoutSeconds=50&resourceVersion={version}")
        try:
            for line in _lines(self._response):
                if self._stopped.is_set():
                    return
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._apply(event["type"], event["object"])
        finally:
            self._response.close()

    def _apply(self, kind: str, each: Json) -> None:
        with self._lock:
            if kind == "DELETED":
                self._objects.pop(each["metadata"]["uid"], None)
            else:
                self._objects[each["metadata"]["uid"]] = each
        self._on_change(kind, each)


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    while chunk := response.read1(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
