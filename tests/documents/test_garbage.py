from __future__ import annotations

import json
import string

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import Documents, Loaded, validate
from autoscaler.documents.parse import Origin, Raw, parse
from autoscaler.errors import DocumentError, Problem
from tests.documents.texts import AUTOSCALER, POLICY, SCENARIO

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["0", "1e999", "~", "!!bool x", "2026-13-45", "{}", "Max", "vllm", 2**31, -1, 10**4000])
)  # fmt: skip
KEYS = (
    st.text(max_size=8)
    | st.sampled_from(["spec", "rules", "type", "kind", "behavior", "signals"])
    | st.integers()
    | st.none()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
TEXTS = (AUTOSCALER, POLICY, SCENARIO, f"{AUTOSCALER}---\n{POLICY}")


def survive(text: str, name: str) -> None:
    """Load and compile, and let pass nothing but a DocumentError whose every problem names its place."""
    problems: tuple[Problem, ...] | None = None
    try:
        items = tuple(Loaded(validate(raw), raw.origin) for raw in parse(text, name))
        compile_all(Documents(items))
    except DocumentError as error:
        problems = error.problems
    assert problems != ()
    for problem in problems or ():
        assert name in str(problem)
        assert "\n" not in str(problem)
        assert len(str(problem)) < 1000


@given(st.text())
@example("!!bool x")
@example('!!int ""')
@example("!!float x")
@example("!!timestamp x")
@example("!!set [a]")
@example("!!binary é")
@example("2026-13-45")
@example("? [a]\n: b")
@example("? {a: b}\n: c")
@example("=: =")
@example("<<: 1")
@example("<<: [*a, 1]")
@example("a: &a [*a]")
@example("&a {spec: *a}")
@example("0b")
@example("1:99:99")
@example("9" * 5000)
@example("[" * 5000)
@example(POLICY.replace("targetPerReplica: 24", f"targetPerReplica: 0x{'f' * 5000}"))
@example(POLICY.replace("behavior: {}", f"behavior: {{scaleUp: {{tolerance: 0x{'f' * 5000}}}}}"))
@example(POLICY.replace("quantile: 0.99", f"quantile: 0x{'f' * 5000}"))
@example("{a: " * 3000)
@example("- " * 3000)
@example("%YAML 3.0\n---\na")
@example("%TAG ! tag:x,\n---\n!x y")
@example("\ufeffa: 1")
@example("\ud800")
@example("a\x85b: \u2028")
@example("apiVersion: autoscaler.inference.dev/v1alpha1\nkind: [x]")
@example("apiVersion: autoscaler.inference.dev/v1alpha1\nkind: Scenario\nspec: &a {traffic: *a}")
def test_any_text_is_documents_or_a_document_error(text):
    """No text, as YAML or as JSON, gives anything else: no traceback ever."""
    survive(text, "docs.yaml")
    survive(text, "docs.json")


@given(st.sampled_from(TEXTS), st.data())
def test_a_document_cut_and_stirred_is_a_document_or_an_error(text, data):
    """A right document with some characters replaced: near misses reach deeper than noise."""
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        upto = data.draw(st.integers(at, min(len(text), at + 12)))
        text = text[:at] + data.draw(st.text(alphabet=string.printable, max_size=6)) + text[upto:]
    survive(text, "docs.yaml")


@given(st.sampled_from(TEXTS[:3]), VALUES, st.data())
def test_any_value_anywhere_is_a_document_or_an_error(text, value, data):
    """A right document with one value, somewhere inside, replaced by anything that YAML can say."""
    document = yaml.safe_load(text)
    holder = document
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = value
    problems: tuple[Problem, ...] = ()
    try:
        validate(Raw(document, Origin("docs.yaml")))
    except DocumentError as error:
        problems = error.problems
    assert all(problem.allowed for problem in problems)


@pytest.mark.parametrize("count", [6, 30])
def test_a_small_file_that_unfolds_to_gigabytes_is_refused_at_once(count):
    """Aliases of aliases: nothing walks what they stand for."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, count)]
    survive("\n".join(lines), "docs.yaml")
    bomb = (
        "\n".join(lines)
        + f"\napiVersion: autoscaler.inference.dev/v1alpha1\nkind: ScalingPolicy\nspec: *a{count - 1}\n"
    )
    survive(bomb, "docs.yaml")


def test_yaml_and_json_of_one_document_are_the_same():
    """The ending decides how it is read, and nothing more."""
    (from_yaml,) = parse(POLICY, "docs.yaml")
    (from_json,) = parse(json.dumps(from_yaml.value), "docs.json")
    assert validate(from_yaml) == validate(from_json)
