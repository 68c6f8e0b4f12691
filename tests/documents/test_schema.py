from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from autoscaler.documents import library
from autoscaler.documents.load import KINDS
from autoscaler.documents.schema import custom_resource_schema, schema, schema_of
from tests.documents.texts import AUTOSCALER, PEER, POLICY, SCENARIO, changed

WHOLE = Draft202012Validator(schema())
SHIPPED = [*library.files(library.policies()), *library.files(library.simulations())]
RIGHT = {"InferenceAutoscaler": AUTOSCALER, "ScalingPolicy": POLICY, "Scenario": SCENARIO, "PeerPolicy": PEER}
FAULTS = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text(encoding="utf-8"))
HPA_WORDS = {"scaleUp", "scaleDown", "policies", "selectPolicy", "stabilizationWindowSeconds", "tolerance"}


def test_it_is_a_json_schema_and_plain_json():
    """The schema itself is valid, has no references to follow, and survives JSON."""
    Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()
    assert "$ref" not in json.dumps(schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_document_is_valid(path):
    """What we ship obeys what we publish."""
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        assert list(WHOLE.iter_errors(document)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_valid_as_itself_only(kind):
    """One document, one kind."""
    document = yaml.safe_load(RIGHT[kind])
    assert list(WHOLE.iter_errors(document)) == []
    for other in KINDS:
        assert Draft202012Validator(schema_of(other)).is_valid(document) is (other == kind)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (kind, fault)
        for kind, faults in FAULTS.items()
        for fault in faults
        if all("must be" in says or "is required" in says or "unknown field" in says for says in fault["says"])
        and not any(
            any(word in says for word in ("rules[", "`", "policyRef", "backend", "parameters", "preset"))
            for says in fault["says"]
        )
        and "tolerance" not in fault["by"]
    ],
    ids=str,
)
def test_what_the_loader_refuses_in_one_field_the_schema_refuses_too(kind, fault):
    """Ranges, choices, required and unknown fields; what takes two fields or a rule's type is the loader's alone."""
    document = yaml.safe_load(changed(RIGHT[kind], (fault["replace"], fault["by"])))
    assert not WHOLE.is_valid(document)


def test_rules_are_open_for_plug_ins():
    """An item needs a type and may hold anything: plug-ins are validated by the autoscaler."""
    item = schema_of("ScalingPolicy")["properties"]["spec"]["properties"]["rules"]["items"]
    assert item["x-kubernetes-preserve-unknown-fields"] is True
    assert item["required"] == ["type"]
    document = yaml.safe_load(POLICY)
    document["spec"]["rules"].append({"type": "tokenRate", "tokensPerSecond": 1500})
    assert WHOLE.is_valid(document)
    document["spec"]["rules"].append({"tokensPerSecond": 1500})
    assert not WHOLE.is_valid(document)


def nodes(node):
    """Yield every schema inside a schema."""
    yield node
    for word, value in node.items():
        if word == "properties":
            for inner in value.values():
                yield from nodes(inner)
        elif word in ("items", "additionalProperties") and isinstance(value, dict):
            yield from nodes(value)


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_become_a_custom_resource_definition(kind):
    """Structural, as the API server demands: one type everywhere, no words that it does not know, nothing forbidden."""
    crd = custom_resource_schema(kind)
    assert crd["properties"]["metadata"] == {"type": "object"}
    for node in nodes(crd):
        assert isinstance(node.get("type"), str) or node.get("x-kubernetes-preserve-unknown-fields")
        assert (
            not {"$ref", "$defs", "anyOf", "oneOf", "const", "prefixItems", "patternProperties", "title"} & node.keys()
        )
        assert node.get("additionalProperties") is not False
        assert "properties" not in node or "additionalProperties" not in node
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            assert node.get(bound, True) is True
        assert "default" not in node or node["default"] is not None


def test_every_field_says_what_it_means():
    """Somebody reads the schema in an editor: no property of ours without a description."""
    silent = []
    for kind in KINDS:
        for node in nodes(schema_of(kind)["properties"]["spec"]):
            silent += [f"{kind}: {name}" for name, inner in node.get("properties", {}).items()
                       if "description" not in inner and name not in ("type", "name")]  # fmt: skip
    assert silent == []
    assert set(json.dumps(schema()).replace('"', " ").split()) >= HPA_WORDS
