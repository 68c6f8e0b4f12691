"""The kernel, compiled by numba: import this module only where numba is installed.

The compiled code is cached beside `kernel.py`, or in the user's cache directory where that is read-only, and compiled
anew when `kernel.py` changes: that is why all of it is one file. Where no place can be written it is compiled each
time.
"""

from __future__ import annotations

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


def _compile() -> Callable[..., None]:
    for function in vars(kernel).copy().values():
        if isinstance(function, types.FunctionType):
            register_jitable(**_OPTIONS, forceinline=True)(function)
    try:
        return _jit(cache=True)
    except RuntimeError:
        return _jit(cache=False)


def _jit(*, cache: bool) -> Callable[..., None]:
    compiled: Callable[..., None] = numba.njit(**_OPTIONS, cache=cache)(kernel.advance)
    return compiled


advance = _compile()
