"""The documents as CustomResourceDefinitions, on a real API server."""

from __future__ import annotations

from contextlib import suppress

import pytest
import yaml

from autoscaler.documents import library
from autoscaler.documents.base import GROUP
from autoscaler.documents.load import KINDS, validate
from autoscaler.documents.parse import Origin, Raw
from autoscaler.documents.schema import custom_resource_schema
from tests.documents.texts import AUTOSCALER, PEER, POLICY, SCENARIO, changed
from tests.real.api import ApiError
from tests.real.waiting import eventually

pytestmark = pytest.mark.cluster
RIGHT = {"InferenceAutoscaler": AUTOSCALER, "ScalingPolicy": POLICY, "Scenario": SCENARIO, "PeerPolicy": PEER}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def plural(kind: str) -> str:
    """Return the kind as it stands in an address."""
    return "scalingpolicies" if kind == "ScalingPolicy" else f"{kind.lower()}s"


def definition(kind: str) -> dict:
    """Return the CustomResourceDefinition of a kind."""
    version = {"name": "v1alpha1", "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": custom_resource_schema(kind)}
    names = {"kind": kind, "plural": plural(kind)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural(kind)}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def conditions(plane, kind: str) -> dict[str, str]:
    """Return the definition's conditions."""
    status = plane.api.get(f"{DEFINITIONS}/{plural(kind)}.{GROUP}").get("status", {})
    return {condition["type"]: condition["status"] for condition in status.get("conditions") or []}


@pytest.fixture(scope="module")
def established(control_plane):
    """The control plane with all kinds, and the namespace of the example."""
    for kind in KINDS:
        control_plane.api.create(DEFINITIONS, definition(kind))
    for kind in KINDS:
        eventually(lambda kind=kind: conditions(control_plane, kind), lambda seen: seen.get("Established") == "True")
        path = f"/apis/{GROUP}/v1alpha1/{plural(kind)}"

        def served(path: str = path) -> bool:
            with suppress(ApiError):
                return "items" in control_plane.api.get(path)
            return False

        eventually(served, bool)
    control_plane.create_namespace("inference")
    return control_plane


def created(plane, text: str) -> dict:
    """Create the document as an object in `inference`, and return it as the API server keeps it."""
    document = yaml.safe_load(text)
    document["metadata"]["namespace"] = "inference"
    path = f"/apis/{GROUP}/v1alpha1/namespaces/inference/{plural(document['kind'])}"
    plane.api.create(path, document)
    kept = plane.api.get(f"{path}/{document['metadata']['name']}")
    plane.api.delete(f"{path}/{document['metadata']['name']}")
    return kept


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural(established, kind):
    """The API server takes it without a word of complaint."""
    seen = conditions(established, kind)
    assert seen["Established"] == "True"
    assert seen.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("text", [*RIGHT.values(), *[p.read_text() for p in library.files(library.policies())]])
def test_documents_are_objects_as_they_are(established, text):
    """What the API server keeps, its defaults filled in, is the same document to us."""
    written = yaml.safe_load(text)
    kept = {**created(established, text), "metadata": written["metadata"]}
    assert validate(Raw(kept, Origin("kept"))) == validate(Raw(written, Origin("written")))


def test_the_rule_of_a_plug_in_and_a_tolerance_of_either_kind_are_kept(established):
    """Rule items preserve what the schema does not know; a quantity is a number or a text."""
    text = changed(
        POLICY,
        ("{type: queueDepth, targetPerReplica: 4}", "{type: tokenRate, tokensPerSecond: 1500, nested: {deep: [1]}}"),
        ("behavior: {}", 'behavior: {scaleUp: {tolerance: 0.05}, scaleDown: {tolerance: "50m"}}'),
    )
    spec = created(established, text)["spec"]
    assert spec["rules"][1] == {"type": "tokenRate", "tokensPerSecond": 1500, "nested": {"deep": [1]}}
    assert [spec["behavior"][way]["tolerance"] for way in ("scaleUp", "scaleDown")] == [0.05, "50m"]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (AUTOSCALER, ("maxReplicas: 10", "maxReplicas: 0")),
        (AUTOSCALER, ("maxReplicas: 10", 'maxReplicas: "10"')),
        (AUTOSCALER, ("  maxReplicas: 10\n", "")),
        (AUTOSCALER, ("mode: DryRun", "mode: dryrun")),
        (POLICY, ("idleAfterSeconds: 900", "idleAfterSeconds: 0")),
        (POLICY, ("{type: queueDepth, targetPerReplica: 4}", "{targetPerReplica: 4}")),
        (SCENARIO, ("ttftSeconds: 2", "ttftSeconds: 0")),
    ],
    ids=lambda value: value[1].strip() if isinstance(value, tuple) else "",
)
def test_the_api_server_refuses_what_we_refuse(established, text, change):
    """Ranges, types, choices and required fields."""
    with pytest.raises(ApiError, match="422"):
        created(established, changed(text, change))
