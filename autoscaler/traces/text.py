"""The text of a trace file: plain, gzip or xz, told by its first bytes; UTF-8."""

from __future__ import annotations

import gzip
import lzma
import zlib
from pathlib import Path

from autoscaler.errors import TraceError

_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"


def read_text(path: Path | str) -> str:
    """Return a file's text, decompressed.

    Raises:
        TraceError: it cannot be read, decompressed or decoded, or it is empty.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from error
    text = _decode(path, _decompress(path, data))
    if not text.strip():
        raise TraceError(f"{path}: is empty: must hold a header line and at least one request")
    return text


def _decompress(path: Path | str, data: bytes) -> bytes:
    try:
        if data.startswith(_GZIP):
            return gzip.decompress(data)
        if data.startswith(_XZ):
            return lzma.decompress(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise TraceError(f"{path}: cannot be decompressed, it is damaged or cut short: {error}") from error
    return data


def _decode(path: Path | str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}: line {line}: must be UTF-8 text (found byte 0x{data[error.start]:02x})") from error
