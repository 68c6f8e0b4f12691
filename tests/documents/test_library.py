from __future__ import annotations

import pytest

from autoscaler.documents import library
from autoscaler.documents.compile import compile_spec
from autoscaler.documents.lint import rule_warnings
from autoscaler.documents.load import load


def test_the_shipped_policies_are_found_by_their_names():
    """A file's name is its policy's name, so that the look-up needs to open one file only."""
    for path in library.files(library.policies()):
        assert list(load([path]).policies) == [path.stem]
        assert library.find(library.policies(), path.stem) == path
    assert {"llm-interactive", "llm-batch", "scale-to-zero"} <= {
        path.stem for path in library.files(library.policies())
    }


@pytest.mark.parametrize("path", library.files(library.policies()), ids=lambda path: path.stem)
def test_the_shipped_policies_give_no_warning_and_compile(path):
    """We take our own advice; only scale-to-zero speaks of zero."""
    (policy,) = load([path]).policies.values()
    assert rule_warnings(policy.spec.compiled_rules) == ()
    assert (policy.spec.scale_to_zero is not None) is (path.stem == "scale-to-zero")
    assert compile_spec(policy.spec, min_replicas=1, max_replicas=9).rules[0].name == "pendingRequests"


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
