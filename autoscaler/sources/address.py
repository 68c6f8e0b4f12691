"""Addresses that people write."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def http_address(text: str) -> SplitResult | None:
    """Return the parts of an http or https address; None if the text is not one."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    well = parts.scheme in ("http", "https") and parts.hostname and port != 0 and text.isprintable() and " " not in text
    return parts if well else None
