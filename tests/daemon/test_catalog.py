"""Documents in files: noticed when their content changes, whatever their links do."""

from __future__ import annotations

import pytest

from autoscaler.daemon.catalog import FileCatalog, compile_texts
from autoscaler.errors import DocumentError
from tests.daemon.world import POLICY, write_documents


def test_targets_by_what_they_scale(tmp_path):
    """The catalog knows targets by namespace and name of the Deployment, and keeps the text as it was written."""
    path = write_documents(tmp_path, "a", "b")
    loaded = FileCatalog([path]).load()
    assert list(loaded.targets) == ["inference/a", "inference/b"]
    assert loaded.documents == {str(path): path.read_text()}


def test_fingerprint_is_of_the_content(tmp_path):
    """Touching a file changes nothing; another content, another name and another file do."""
    path = write_documents(tmp_path, "a")
    catalog = FileCatalog([tmp_path])
    seen = [catalog.fingerprint()]
    path.touch()
    assert catalog.fingerprint() == seen[0]
    write_documents(tmp_path, "a", maximum=11)
    seen.append(catalog.fingerprint())
    (tmp_path / "more.yaml").write_text("")
    seen.append(catalog.fingerprint())
    path.rename(tmp_path / "renamed.yaml")
    seen.append(catalog.fingerprint())
    (tmp_path / "more.yaml").unlink()
    seen.append(catalog.fingerprint())
    assert len(set(seen)) == 5


def test_a_mounted_config_map_is_followed(tmp_path):
    """Kubernetes swaps one hidden link; the documents behind it are the new ones."""
    for version, maximum in (("..1", 10), ("..2", 20)):
        (tmp_path / version).mkdir()
        write_documents(tmp_path / version, "a", maximum=maximum)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "documents.yaml").symlink_to("..data/documents.yaml")
    catalog = FileCatalog([tmp_path])
    before = catalog.fingerprint()
    assert catalog.load().targets["inference/a"].spec.max_replicas == 10
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert catalog.fingerprint() != before
    assert catalog.load().targets["inference/a"].spec.max_replicas == 20


def test_a_file_that_vanishes_is_a_change_and_a_document_error(tmp_path):
    """Asking for the hash never raises; loading says which file is not there."""
    path = write_documents(tmp_path, "a")
    catalog = FileCatalog([path])
    before = catalog.fingerprint()
    path.unlink()
    assert catalog.fingerprint() != before
    with pytest.raises(DocumentError, match=r"documents\.yaml"):
        catalog.load()


def test_documents_without_a_target_are_refused(tmp_path):
    """A policy alone scales nothing: that is a mistake, not a wish."""
    (tmp_path / "policy.yaml").write_text(POLICY.format(target=10))
    with pytest.raises(DocumentError, match="at least one InferenceAutoscaler"):
        FileCatalog([tmp_path]).load()


def test_the_interval_reaches_the_spec(tmp_path):
    """What the settings say of the interval is what the engine counts gaps by."""
    path = write_documents(tmp_path, "a")
    assert FileCatalog([path], 30.0).load().targets["inference/a"].spec.interval_seconds == 30.0


def test_texts_compile_to_the_same_specs(tmp_path):
    """Documents out of a journal give the very specs that the files gave, fingerprint included."""
    loaded = FileCatalog([write_documents(tmp_path, "a", "b")], 30.0).load()
    again = compile_texts(loaded.documents, 30.0)
    assert again == {key: target.spec for key, target in loaded.targets.items()}
