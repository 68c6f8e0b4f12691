"""How sure a mean over a few seeds is: Student's t, without scipy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_T_975 = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
    2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
    2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272,
)  # fmt: skip
"""The 97.5 % quantile of Student's t, by degrees of freedom from 1."""
_NORMAL_975 = 1.959963984540054


class Estimate(NamedTuple):
    """A mean, and the interval that holds the true one in 95 of 100 cases."""

    mean: float
    half_width: float
    """NaN where a single value says nothing of its spread."""

    def to_json(self) -> dict[str, float | None]:
        """Return mean, low and high, with null for what is not known."""
        low, high = self.mean - self.half_width, self.mean + self.half_width
        known = {"mean": self.mean, "low": low, "high": high}
        return {name: value if math.isfinite(value) else None for name, value in known.items()}


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent, roughly normal values, with its 95 % confidence interval; NaN without any."""
    count = len(values)
    if not count:
        return Estimate(math.nan, math.nan)
    mean = math.fsum(values) / count
    if count == 1:
        return Estimate(mean, math.nan)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Estimate(mean, t_975(count - 1) * math.sqrt(variance / count))


def t_975(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t.

    Up to 30 degrees of freedom from a table, beyond by Fisher's expansion around the normal quantile, within 1e-6
    (Abramowitz & Stegun 26.7.5).
    """
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    x = _NORMAL_975
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return x + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
