"""What Prometheus answered to an instant query, and what a single value in it says of a signal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.engine.observation import Quality, Signal
from autoscaler.errors import SourceError
from autoscaler.signals.preset import UNITS
from autoscaler.signals.vectors import Row

if TYPE_CHECKING:
    from autoscaler.engine.observation import SignalRequest
    from autoscaler.signals.query import SignalQuery


class Answer(NamedTuple):
    """One answer, with the doubts that came with it."""

    form: str
    """Prometheus' resultType: `vector`, `scalar`, `string` or `matrix`."""
    rows: tuple[Row, ...]
    """Of a vector, or the one of a scalar; empty for the other forms."""
    warnings: tuple[str, ...] = ()
    """The answer may lack something: Thanos and Mimir say so when a store did not answer."""
    infos: tuple[str, ...] = ()
    """Remarks on the query's text: the answer is whole."""

    @property
    def caveat(self) -> str:
        """The warnings as one text; empty without any."""
        return "; ".join(self.warnings)


def parse_answer(envelope: Any) -> Answer:  # noqa: ANN401 - JSON from the network
    """Return the answer in a decoded JSON body; SourceError if it is not one of Prometheus' query API."""
    try:
        data = envelope["data"]
        form = data["resultType"]
        rows = _rows(form, data["result"])
        return Answer(form, rows, _texts(envelope.get("warnings")), _texts(envelope.get("infos")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"not an answer of Prometheus' query API: {type(error).__name__}: {error}") from error


def _rows(form: str, result: Any) -> tuple[Row, ...]:  # noqa: ANN401 - JSON from the network
    if form == "scalar":
        at, text = result
        return (Row({}, float(text), float(at)),)
    if form != "vector":
        return ()
    rows = []
    for series in result:
        # A native histogram has `histogram` in the place of `value`: no number of ours.
        at, text = series["value"] if "value" in series else (series["histogram"][0], "nan")
        rows.append(Row(_labels(series["metric"]), float(text), float(at)))
    return tuple(rows)


def _labels(labels: Any) -> dict[str, str]:  # noqa: ANN401 - JSON from the network
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise TypeError("`metric` is no set of labels")
    return labels


def _texts(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(str(text) for text in texts or ())


def single_value(request: SignalRequest, query: SignalQuery, answer: Answer, now: float) -> Signal:
    """Return the signal that a document's own query gives: one number for the whole target.

    It is taken at `now`: how old the samples behind it are, an expression does not tell.
    """
    unit = query.unit or UNITS.get(request.name, "")
    blank = Signal(request.key, None, unit, 0.0, Quality.ERROR)
    if answer.form not in ("vector", "scalar"):
        return blank._replace(detail=f"query returned a {answer.form}, one number expected")
    if not answer.rows:
        return blank._replace(quality=Quality.EMPTY, detail=_joined("query returned nothing", answer.caveat))
    if len(answer.rows) > 1:
        return blank._replace(detail=f"query returned {len(answer.rows)} series, one expected")
    return number(blank, answer.rows[0].value, now, answer.caveat)


def number(blank: Signal, value: float, now: float, caveat: str = "") -> Signal:
    """Return `blank` with a value, or with why this number is none."""
    if math.isnan(value):
        return blank._replace(quality=Quality.NAN, detail=_joined("query returned NaN", caveat))
    if math.isinf(value):
        return blank._replace(detail=f"query returned {'+' if value > 0 else '-'}Inf, a finite number expected")
    quality = Quality.PARTIAL if caveat else Quality.OK
    return blank._replace(value=value, taken_at=now, quality=quality, detail=caveat)


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
