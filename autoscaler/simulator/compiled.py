"""The kernel, compiled by numba: import this module only where numba is installed.

The compiled code is cached beside the kernel, or in the user's cache directory where that is read-only, and compiled
anew when any of the kernel's files changes. Where no place can be written it is compiled each time.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

import numba
from numba.extending import register_jitable

from autoscaler.simulator import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without `_nrt`, numba counts references of each array in each call, which costs fifty times the simulation itself.
The caller holds the arrays, so nothing needs counting."""


def room() -> list[types.ModuleType]:
    """Return the kernel's modules: all of what `kernel.advance` can reach."""
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(f"{kernel.__name__}.")]


def _compile() -> Callable[..., None]:
    for module in room():
        for function in vars(module).copy().values():
            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                register_jitable(**_OPTIONS, forceinline=True)(function)
    try:
        return _jit(_fingerprint(), cache=True)
    except (OSError, RuntimeError):  # no source to tell versions apart by, or no place to write
        return _jit("", cache=False)


def _fingerprint() -> str:
    sources = map(inspect.getsource, [*room(), sys.modules[__name__]])
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def _jit(fingerprint: str, *, cache: bool) -> Callable[..., None]:
    """Compile `kernel.advance`, cached under the fingerprint of all of the kernel's sources.

    Numba's cache tells versions of a function apart by its own file and by the values it closes over: so this is a copy
    of the function that closes over the fingerprint. One that calls it instead would be optimised twice.
    """
    original = kernel.advance
    code = original.__code__.replace(co_freevars=("fingerprint",))
    closure = (types.CellType(fingerprint),)
    entrance = types.FunctionType(code, original.__globals__, original.__name__, None, closure)
    compiled: Callable[..., None] = numba.njit(**_OPTIONS, cache=cache)(entrance)
    return compiled


advance = _compile()
