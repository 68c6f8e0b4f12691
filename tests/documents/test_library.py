from __future__ import annotations

import pytest
import yaml

from autoscaler.documents import library
from autoscaler.documents.compile import compile_all
from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.lint import rule_warnings
from autoscaler.documents.load import Documents, Loaded, find_policy, load, validate
from autoscaler.documents.parse import Origin, Raw
from autoscaler.errors import DocumentError
from autoscaler.peers.registry import READY_MADE
from tests.documents.texts import AUTOSCALER

OURS = [path for path in library.files(library.policies()) if load([path]).policies]
PEERS = [path for path in library.files(library.policies()) if load([path]).peers]


def test_the_shipped_policies_are_found_by_their_names():
    """A file's name is its policy's name, so that the look-up needs to open one file only."""
    for path in library.files(library.policies()):
        found = load([path])
        assert [*found.policies, *found.peers] == [path.stem]
        assert library.find(library.policies(), path.stem) == path
    assert {"llm-interactive", "llm-batch", "scale-to-zero"} <= {
        path.stem for path in library.files(library.policies())
    }


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_the_shipped_policies_give_no_warning_and_compile(path):
    """We take our own advice; only scale-to-zero speaks of zero."""
    (policy,) = load([path]).policies.values()
    assert rule_warnings(policy.spec.compiled_rules) == ()
    assert (policy.spec.scale_to_zero is not None) is (path.stem == "scale-to-zero")
    first = compile_spec(policy.spec, min_replicas=1, max_replicas=9).rules[0]
    assert first.name in ("capacity", "pendingRequests")


def test_the_shipped_peers_are_the_ready_made_ones():
    """Each ready-made peer is a document under its name, with the very same parameters, which the text spells out."""
    found = {path.stem: load([path]).peers[path.stem].spec.parameters for path in PEERS}
    assert found == dict(READY_MADE)
    for path in PEERS:
        text = path.read_text()
        assert all(word in text for word in ("# Why people choose it: ", "# What to know: ", "# Source: "))


def test_a_target_cannot_be_scaled_by_a_peer():
    """PolicyRef names a policy of ours: a peer's name is refused, with the names that there are."""
    assert find_policy("knative", {}) is None
    document = yaml.safe_load(AUTOSCALER)
    document["spec"]["policyRef"]["name"] = "knative"
    items = (Loaded(validate(Raw(document, Origin("a.yaml"))), Origin("a.yaml")),)
    with pytest.raises(DocumentError, match=r"llm-interactive.*it is a peer's, for the simulator alone") as refused:
        compile_all(Documents(items))
    assert "hpa-queue-depth" not in str(refused.value)


def test_an_installed_wheel_is_looked_at_first(tmp_path, monkeypatch):
    """Beside the package's own modules where a wheel has them, else beside the package."""
    package = tmp_path / "site" / "autoscaler"
    package.mkdir(parents=True)
    monkeypatch.setattr(library, "_PACKAGE", package)
    assert library.policies() == tmp_path / "site" / "policies"
    assert library.find(library.policies(), "llm-batch") is None
    (package / "_policies").mkdir()
    assert library.policies() == package / "_policies"
    assert library.simulations() == tmp_path / "site" / "simulations"
