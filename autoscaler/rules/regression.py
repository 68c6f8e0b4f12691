"""A forgetting ridge regression in four variables, solved in closed form: plain floats, a few microseconds.

beta = prior + (A + ridge)^-1 · r, where A and r are sums of x·x' and x·(y - prior·x), each weighted by 1 / (level + 1)
and forgotten with a half-life. The ridge is never forgotten, so that constant load, which teaches nothing, leaves the
prior alone instead of winding up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

Vector = tuple[float, float, float, float]
PRIOR: Vector = (0.0, 0.7, 0.3, 0.5)
"""Constant, mean of a minute, mean of ten minutes, rise times horizon."""
_RIDGE: Vector = (2.0, 2.0, 2.0, 2.0)
_HALF_LIFE_SECONDS = 7200.0


class Regression(NamedTuple):
    """The sums of what was seen."""

    sums: tuple[float, ...] = (0.0,) * 14
    """The upper triangle of A by rows, then r."""

    def learn(self, x: Vector, y: float, seconds: float) -> Regression:
        """Return the regression after one more pair, `seconds` after the last one."""
        kept = 0.5 ** (seconds / _HALF_LIFE_SECONDS)
        weight = 1.0 / (abs(x[1]) + 1.0)
        residual = y - _dot(PRIOR, x)
        x0, x1, x2, x3 = x
        w0, w1, w2, w3 = weight * x0, weight * x1, weight * x2, weight * x3
        added = (
            w0 * x0, w0 * x1, w0 * x2, w0 * x3, w1 * x1, w1 * x2, w1 * x3, w2 * x2, w2 * x3, w3 * x3,
            w0 * residual, w1 * residual, w2 * residual, w3 * residual,
        )  # fmt: skip
        return Regression(tuple([kept * old + new for old, new in zip(self.sums, added, strict=True)]))

    def predict(self, x: Vector) -> float:
        """Return the prediction for x, never below zero."""
        return max(0.0, _dot(self.coefficients(), x))

    def coefficients(self) -> Vector:
        """Return beta, by a Cholesky decomposition of A + ridge."""
        a00, a01, a02, a03, a11, a12, a13, a22, a23, a33, r0, r1, r2, r3 = self.sums
        l00 = math.sqrt(a00 + _RIDGE[0])
        l10, l20, l30 = a01 / l00, a02 / l00, a03 / l00
        l11 = math.sqrt(max(a11 + _RIDGE[1] - l10 * l10, 1e-9))
        l21, l31 = (a12 - l20 * l10) / l11, (a13 - l30 * l10) / l11
        l22 = math.sqrt(max(a22 + _RIDGE[2] - l20 * l20 - l21 * l21, 1e-9))
        l32 = (a23 - l30 * l20 - l31 * l21) / l22
        l33 = math.sqrt(max(a33 + _RIDGE[3] - l30 * l30 - l31 * l31 - l32 * l32, 1e-9))
        z0 = r0 / l00
        z1 = (r1 - l10 * z0) / l11
        z2 = (r2 - l20 * z0 - l21 * z1) / l22
        z3 = (r3 - l30 * z0 - l31 * z1 - l32 * z2) / l33
        b3 = z3 / l33
        b2 = (z2 - l32 * b3) / l22
        b1 = (z1 - l21 * b2 - l31 * b3) / l11
        b0 = (z0 - l10 * b1 - l20 * b2 - l30 * b3) / l00
        return PRIOR[0] + b0, PRIOR[1] + b1, PRIOR[2] + b2, PRIOR[3] + b3


def _dot(left: Vector, right: Vector) -> float:
    return left[0] * right[0] + left[1] * right[1] + left[2] * right[2] + left[3] * right[3]
