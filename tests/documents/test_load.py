from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autoscaler.documents.load import find_policy, load
from autoscaler.documents.wording import listed
from autoscaler.errors import DocumentError
from autoscaler.rules.registry import BUILT_IN
from tests.documents.texts import AUTOSCALER, PEER, POLICY, SCENARIO, changed

RIGHT = {"InferenceAutoscaler": AUTOSCALER, "ScalingPolicy": POLICY, "Scenario": SCENARIO, "PeerPolicy": PEER}
FAULTS = [
    (kind, fault)
    for kind, faults in yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text(encoding="utf-8")).items()
    for fault in faults
]
BOTH = f"{AUTOSCALER}---\n{POLICY}"


def test_the_example_of_the_design_loads(problems):
    """An autoscaler and its policy in one file."""
    assert problems(BOTH) == []


@pytest.mark.parametrize(("kind", "fault"), FAULTS, ids=[f"{kind} {fault['by'].strip()}" for kind, fault in FAULTS])
def test_each_fault_has_its_messages(problems, file, kind, fault):
    """File, line, key path, what is allowed, what was found: word for word, and nothing else."""
    file(POLICY, "policy.yaml")
    extra = ["policy.yaml"] if kind == "InferenceAutoscaler" else []
    says = [text.replace("RULE TYPES", listed(BUILT_IN)) for text in fault["says"]]
    assert problems(changed(RIGHT[kind], (fault["replace"], fault["by"])), extra=extra) == says


@pytest.mark.parametrize("kind", RIGHT)
def test_without_the_fault_nothing_is_said(problems, file, kind):
    """The documents that the faults were put into are right."""
    file(POLICY, "policy.yaml")
    assert problems(RIGHT[kind], extra=["policy.yaml"] if kind == "InferenceAutoscaler" else []) == []


def test_everything_that_is_wrong_is_told_at_once(problems):
    """Three faults in two documents: three problems, each with its document's number."""
    text = changed(
        BOTH, ("maxReplicas: 10", "maxReplicas: x"), ("mode: DryRun", "mode: x"), ("targetPercent: 80", "x: 80")
    )
    found = problems(text)
    assert [problem.split(":")[1] for problem in found] == [
        "7 (document 1)",
        "8 (document 1)",
        "22 (document 2)",
        "22 (document 2)",
    ]


MAPPING = "must be a mapping with apiVersion, kind, metadata, spec"
NO_CONSTRUCTOR = "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        pytest.param(
            "a: 1\nb: 2\na: 3\n", "d.yaml", "d.yaml:3: the key 'a' stands twice in one mapping", id="key twice"
        ),
        pytest.param("a: {b: 1, b: 3}\n", "d.yaml", "d.yaml:1: the key 'b' stands twice in one mapping", id="inside"),
        pytest.param('{"a": {"b": 1, "b": 2}}', "d.json", "d.json: the key 'b' stands twice in one object", id="JSON"),
        pytest.param('{"a": NaN}', "d.json", "d.json: numbers must be finite (found NaN)", id="JSON NaN"),
        pytest.param(
            '{"a": ', "d.json", "d.json: must be JSON: Expecting value: line 1 column 7 (char 6)", id="broken"
        ),
        pytest.param(
            "a: [1\n", "d.yaml", "d.yaml:2: must be YAML: expected ',' or ']', but got '<stream end>'", id="broken YAML"
        ),
        pytest.param(
            "a: !!python/object:os.system x\n", "d.yaml", f"d.yaml:1: must be YAML: {NO_CONSTRUCTOR}", id="object tag"
        ),
        pytest.param("a: *b\n", "d.yaml", "d.yaml:1: must be YAML: found undefined alias 'b'", id="no such anchor"),
        pytest.param(
            "a: \x00\n",
            "d.yaml",
            "d.yaml: must be YAML: unacceptable character #x0000: special characters are not allowed",
            id="control character",
        ),
        pytest.param(b"a: \xff\n", "d.yaml", "d.yaml: must be UTF-8 text, and byte 3 is not", id="not UTF-8"),
        pytest.param("", "d.yaml", "d.yaml: must hold at least one document", id="empty"),
        pytest.param("---\n---\n# nothing\n", "d.yaml", "d.yaml: must hold at least one document", id="separators"),
        pytest.param("just text\n", "d.yaml", f"d.yaml:1: {MAPPING} (found 'just text')", id="text"),
        pytest.param("- 1\n- 2\n", "d.yaml", f"d.yaml:1: {MAPPING} (found [1, 2])", id="list"),
        pytest.param(b"# " + b"x" * (1 << 20), "d.yaml", "d.yaml: must be at most 1048576 bytes", id="too big"),
    ],
)
def test_what_is_no_document_has_its_message(problems, text, name, message):
    """Broken files are told by file and line."""
    assert problems(text, name) == [message]


def test_a_missing_file_and_an_empty_folder_are_problems(tmp_path, monkeypatch):
    """A path that names nothing is never silently nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentError) as raised:
        load(["nowhere.yaml", "empty"])
    assert str(raised.value).splitlines() == [
        "empty: must hold a document: .yaml, .yml, .json",
        "nowhere.yaml: cannot be read: No such file or directory",
    ]


def test_a_folder_is_its_documents_and_nothing_hidden(tmp_path):
    """YAML and JSON, sorted; hidden files, other endings and sub-folders are left alone, links are followed."""
    mounted = tmp_path / "..data"
    mounted.mkdir()
    (mounted / "a.yaml").write_text(AUTOSCALER)
    (tmp_path / "a.yaml").symlink_to(mounted / "a.yaml")
    (tmp_path / "b.json").write_text(json.dumps(yaml.safe_load(POLICY)))
    (tmp_path / ".hidden.yaml").write_text("garbage: [")
    (tmp_path / "README.md").write_text("garbage: [")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.yaml").write_text("garbage: [")
    documents = load([tmp_path, tmp_path / "a.yaml"])
    assert [item.title for item in documents.items] == ["InferenceAutoscaler inference/llama-8b", "ScalingPolicy chat"]


def test_documents_of_one_name_are_refused_with_both_places(problems):
    """The same policy twice: each message points at the other."""
    says, tail = "must be unique for its kind", "has the same name (found 'chat')"
    assert problems(f"{POLICY}---\n{POLICY}") == [
        f"docs.yaml:3 (document 1): metadata.name: {says}, and docs.yaml:13 (document 2) {tail}",
        f"docs.yaml:15 (document 2): metadata.name: {says}, and docs.yaml:1 (document 1) {tail}",
    ]


def test_two_documents_on_one_target_are_both_refused_with_both_names(problems):
    """Neither wins: two writers would fight."""
    other = changed(AUTOSCALER, ("metadata: {name: llama-8b", "metadata: {name: second"))
    both = "InferenceAutoscaler inference/llama-8b and InferenceAutoscaler inference/second"
    swapped = "InferenceAutoscaler inference/second and InferenceAutoscaler inference/llama-8b"
    found = problems(f"{AUTOSCALER}---\n{other}---\n{POLICY}")
    tail = "scale the same target, and both are refused: keep one of them"
    assert found == [
        f"docs.yaml:5 (document 1): spec.scaleTargetRef: {both} {tail}",
        f"docs.yaml:18 (document 2): spec.scaleTargetRef: {swapped} {tail}",
    ]


def test_the_same_name_in_another_namespace_is_another_target(problems):
    """Names are unique within a namespace only."""
    other = changed(AUTOSCALER, ("namespace: inference", "namespace: staging"))
    assert problems(f"{AUTOSCALER}---\n{other}---\n{POLICY}") == []


def test_a_policy_among_the_documents_wins_over_the_librarys():
    """The library is the last place that is looked at."""
    shipped = find_policy("llm-batch", {})
    assert shipped is not None
    assert find_policy("llm-batch", {"llm-batch": "mine"}) == "mine"
    assert find_policy("no-such-policy", {}) is None
    assert find_policy("../llm-batch", {}) is None


def test_nothing_after_a_key_means_the_defaults(problems):
    """`behavior:` and `startup:` with nothing after them, as the API server has it."""
    text = changed(BOTH, ("behavior: {}", "behavior:"), ("mode: DryRun", "startup:"))
    assert problems(text) == []
