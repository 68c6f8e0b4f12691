"""Every server has a free port of its own, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request

import pytest

from autoscaler.daemon.sandbox.servers import PageServer


def get(url):
    """Return status, content type and text of a page."""
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.status, response.headers["Content-Type"], response.read().decode()


def test_page_is_read_anew_at_each_request():
    """Two requests see two readings of the same page."""
    readings = iter(["a 1\n", "a 2\n"])
    server = PageServer(lambda: next(readings))
    try:
        assert get(server.url) == (200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n")
        assert get(server.url)[2] == "a 2\n"
        assert get(f"http://{server.address}/health")[0] == 200
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            get(f"http://{server.address}/")
        refused.value.close()
    finally:
        server.close()


def test_closing_frees_the_port_and_ends_the_thread():
    """After `close` nothing listens there and no thread is left; a second `close` is harmless."""
    before = threading.active_count()
    server = PageServer(lambda: "")
    host, port = server.address.split(":")
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
    assert threading.active_count() == before


def test_servers_listen_on_loopback_only_and_on_ports_of_their_own():
    """Two servers at once have two ports, both on 127.0.0.1."""
    first, second = PageServer(lambda: ""), PageServer(lambda: "")
    try:
        assert first.port != second.port
        assert first.address.startswith("127.0.0.1:")
    finally:
        first.close()
        second.close()
