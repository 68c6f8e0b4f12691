"""The content of a trace file: plain, gzip, xz or Zstandard, told by its first bytes, and text as UTF-8."""

from __future__ import annotations

import gzip
import importlib
import lzma
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from autoscaler.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_ZSTANDARD_MODULES = ("compression.zstd", "zstandard")
"""Of the standard library from Python 3.14 on, and a package that does the same before."""


def read_bytes(path: Path | str) -> bytes:
    """Return a file's content as it is on the disk.

    Raises:
        TraceError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TraceError(f"{path}: cannot be read: {reason}") from error


def decompress(path: object, data: bytes) -> bytes:
    """Return the content of a file, unpacked if it is packed.

    Raises:
        TraceError: it is empty, it is damaged or cut short, or what unpacks it is not installed.
    """
    if not data:
        raise TraceError(f"{path}: is empty: must hold a trace")
    try:
        if data.startswith(_GZIP):
            return gzip.decompress(data)
        if data.startswith(_XZ):
            return lzma.decompress(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, error) from error
    return _unpack_zstandard(path, data) if data.startswith(_ZSTANDARD) else data


def _damaged(path: object, error: Exception) -> TraceError:
    return TraceError(f"{path}: cannot be decompressed, it is damaged or cut short: {error}")


def _unpack_zstandard(path: object, data: bytes) -> bytes:
    for name in _ZSTANDARD_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return _unpack_with_package(path, data, module.ZstdDecompressor, module.ZstdError)
        try:
            return cast("bytes", module.decompress(data))
        except (module.ZstdError, EOFError) as error:
            raise _damaged(path, error) from error
    raise TraceError(
        f"{path}: is packed with Zstandard: needs the package zstandard (pip install 'inference-autoscaler[zstd]'), "
        "or Python 3.14; or unpack it with `zstd -d`"
    )


def _unpack_with_package(
    path: object,
    data: bytes,
    decompressor: Callable[[], object],
    failure: type[Exception],
) -> bytes:
    """Return all frames of a file, one after the other; an unfinished last one is an error."""
    parts = []
    try:
        while data:
            frame = decompressor().decompressobj()  # type: ignore[attr-defined] # comes without types
            parts.append(frame.decompress(data))
            if not frame.eof:
                raise _damaged(path, EOFError("ended before its last frame did"))
            data = frame.unused_data
    except failure as error:
        raise _damaged(path, error) from error
    return b"".join(parts)


def decode(path: object, data: bytes) -> str:
    """Return the text of unpacked content.

    Raises:
        TraceError: it is empty, or it is no UTF-8 text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}: line {line}: must be UTF-8 text (found byte 0x{data[error.start]:02x})") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TraceError(f"{path}: line {line}: must be text (found a zero byte)")
    if not text or text.isspace():
        raise TraceError(f"{path}: is empty: must hold a header line and at least one request")
    return text
