"""Whatever stands in a manifest: documents, or a DocumentError that names the place."""

from __future__ import annotations

import copy
from contextlib import suppress

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.documents.manifests.as_peer import as_peer
from autoscaler.documents.manifests.convert import convert
from autoscaler.documents.manifests.read import read_manifests
from autoscaler.documents.parse import Origin, Raw
from autoscaler.errors import DocumentError
from tests.documents.manifests.texts import HPA, cron, external, hpa, prometheus, scaled_object

CPU = "{type: cpu, metricType: Utilization, metadata: {value: '60'}}"
MORE = """fallback: {failureThreshold: 3, replicas: 6}
advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {}}}}"""
WHOLE = [
    yaml.safe_load(text)
    for text in (
        HPA,
        hpa(external("q"), least=0),
        scaled_object(prometheus("sum(q)"), cron("0 8 * * *", "0 9 * * *", 2), CPU, spec=MORE),
    )
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["\ud800", "\x00", 10**400, "1e999", "-1", "a\nb: c", "# x", "*", "{}", "@daily"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def places(value, path=()):
    """Return the path of every part of a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, item in inside for place in places(item, (*path, step)))]


def altered(document, path, value):
    """Return the document with another value in one place."""
    if not path:
        return value
    found = inside = copy.deepcopy(document)
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    return found


PLACES = [(document, path) for document in WHOLE for path in places(document)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), VALUES)
@example(PLACES[0], [])
def test_one_wrong_value_is_documents_or_an_error_with_its_place(place, value):
    """Convert and simulate take the altered manifest, or say what is wrong with it; nothing else comes out."""
    raw = Raw(altered(*place, value), Origin("m.yaml"))
    try:
        text = convert([raw]).text
    except DocumentError as error:
        problems = error.problems
    else:
        assert [document["kind"] for document in yaml.safe_load_all(text)] == ["InferenceAutoscaler", "ScalingPolicy"]
        problems = ()
    assert all(problem.source.startswith(("m.yaml", "what it became")) for problem in problems)
    with suppress(DocumentError):
        for read in read_manifests([raw]).manifests:
            as_peer(read)


@pytest.mark.parametrize("document", WHOLE, ids=["hpa", "hpa at zero", "scaled object"])
def test_what_is_altered_is_right_before(document):
    """The manifests that wrong values are put into are converted."""
    assert convert([Raw(document, Origin("m.yaml"))]).text
