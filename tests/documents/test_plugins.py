from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.documents.plugins import registry
from autoscaler.engine.proposal import Kind
from autoscaler.errors import DocumentError, UsageError
from autoscaler.rules.registry import BUILT_IN
from tests.documents.texts import AUTOSCALER, POLICY, changed
from tests.rules.builders import answer, fleet, signal

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "output_tokens.py"
WITH_IT = changed(POLICY, ("{type: queueDepth, targetPerReplica: 4}", "{type: outputTokens, tokensPerSecond: 1500}"))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A way to install a package that has an entry point of the group."""

    def install(code: str, value: str, name: str = "outputTokens") -> None:
        (tmp_path / "some_rules.py").write_text(code)
        information = tmp_path / "some_rules-1.0.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: some-rules\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[autoscaler.rules]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("some_rules", None)


def test_the_example_is_twenty_lines():
    """What the documentation promises."""
    lines = [
        line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")
    ]
    assert len(lines) <= 20


@pytest.mark.parametrize("way", ["file", "entry point"])
def test_the_example_loads_and_proposes_either_way(way, installed, file):
    """Named in the settings, or installed: documents may use it, and it sizes."""
    if way == "file":
        known = registry([EXAMPLE], installed=False)
    else:
        installed(EXAMPLE.read_text(encoding="utf-8"), "some_rules:OutputTokens")
        known = registry()
    assert known.keys() - BUILT_IN.keys() == {"outputTokens"}
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{WITH_IT}")], known))
    rule = target.spec.rules[1]
    assert "tokenRate" in [request.key for request in target.requests]
    proposal = answer(rule, signal("tokenRate", 4500.0), of=fleet(2))
    assert proposal[:3] == (Kind.DEMAND, 3.0, "4500 tokenRate / 1500 per replica = 3")
    assert answer(rule, of=fleet(2)).blocks_decrease


def test_a_wrong_parameter_of_a_plug_in_is_told_like_any_other(file):
    """File, line, key path, range, and the plug-in's own fields."""
    text = changed(WITH_IT, ("tokensPerSecond: 1500", "tokensPerSecond: 0, tokens: 1"))
    with pytest.raises(DocumentError) as raised:
        load([file(text)], registry([EXAMPLE], installed=False))
    assert str(raised.value).splitlines() == [
        "docs.yaml:7: spec.rules[1].tokensPerSecond: must be greater than 0 (found 0)",
        "docs.yaml:7: spec.rules[1].tokens: unknown field; known here: type, name, tokensPerSecond",
    ]


def test_documents_cannot_name_code(file):
    """Without the settings' word, the type does not exist."""
    with pytest.raises(DocumentError, match=r"spec\.rules\[1\]: `type` must be one of"):
        load([file(WITH_IT)])


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", r"rule file .*mine\.py: must define a subclass of autoscaler\.rules\.base\.RuleModel"),
        ("import nothing_of_this_name", r"mine\.py: cannot be imported: ModuleNotFoundError: No module named"),
        ("def broken(:", r"mine\.py: cannot be imported: SyntaxError"),
        ("raise RuntimeError('on import')", r"mine\.py: cannot be imported: RuntimeError: on import"),
        ("from autoscaler.rules.latency import Latency", r"mine\.py: must define a subclass"),
        ("from autoscaler.rules.base import RuleModel\nclass Mine(RuleModel): pass", r"mine\.py: Mine needs a type"),
        ("from autoscaler.rules.queue_depth import QueueDepth\nclass Mine(QueueDepth): pass",
         r"mine\.py: the rule type 'queueDepth' is already that of autoscaler\.rules\.queue_depth\.QueueDepth"),
    ],
    ids=["empty", "import error", "syntax error", "raises", "only imports one", "no type", "type taken"],
)  # fmt: skip
def test_a_rule_file_that_is_wrong_is_told_by_name(tmp_path, code, says):
    """The settings are wrong then, and the daemon does not start."""
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(UsageError, match=says):
        registry([path], installed=False)


def test_a_rule_file_that_is_missing_or_no_python_is_told_by_name(tmp_path):
    """Neither is silently nothing."""
    with pytest.raises(UsageError, match=r"absent\.py: does not exist"):
        registry([tmp_path / "absent.py"], installed=False)
    (tmp_path / "rule.txt").write_text("x = 1")
    with pytest.raises(UsageError, match=r"rule\.txt: must be a Python file, ending in \.py"):
        registry([tmp_path / "rule.txt"], installed=False)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("some_rules:Absent", r"entry point outputTokens = some_rules:Absent: cannot be imported: AttributeError"),
        ("absent_package:X", r"entry point outputTokens = absent_package:X: cannot be imported: ModuleNotFoundError"),
        ("some_rules:Literal", r"entry point outputTokens = some_rules:Literal: .* must be a subclass of"),
    ],
)
def test_an_entry_point_that_is_wrong_is_told_by_name(installed, value, says):
    """Which one, what it points at, and why it is no rule."""
    installed(EXAMPLE.read_text(encoding="utf-8"), value)
    with pytest.raises(UsageError, match=says):
        registry()


def test_installed_plug_ins_can_be_left_out(installed):
    """The simulator's results should not depend on what else is installed."""
    installed(EXAMPLE.read_text(encoding="utf-8"), "some_rules:OutputTokens")
    assert registry(installed=False) == BUILT_IN
