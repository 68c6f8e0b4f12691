"""The command as it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.documents.manifests.texts import HPA, SCALED_OBJECT


def run(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-m", "autoscaler.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, input=given)


@pytest.mark.parametrize("text", [HPA, SCALED_OBJECT])
def test_what_it_prints_passes_check(text, tmp_path):
    """Standard output is documents that `check` takes, standard error what is not as it was."""
    (tmp_path / "manifest.yaml").write_text(text)
    done = run("convert", tmp_path / "manifest.yaml")
    assert done.returncode == 0
    assert all(line.startswith(f"autoscaler: {tmp_path}/manifest.yaml:2: ") for line in done.stderr.splitlines())
    (tmp_path / "ours.yaml").write_text(done.stdout)
    checked = run("check", "-f", tmp_path / "ours.yaml")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "InferenceAutoscaler inference/llama-8b: Deployment llama-8b" in checked.stdout


def test_it_reads_what_kubectl_prints():
    """`-` is standard input."""
    done = run("convert", "-", given=HPA)
    assert done.returncode == 0
    assert "From HorizontalPodAutoscaler inference/llama-8b, standard input:2." in done.stdout


def test_what_cannot_be_converted_exits_with_two(tmp_path):
    """A file without a manifest, and one that is not there, are wrong usage: nothing is printed."""
    (tmp_path / "service.yaml").write_text("kind: Service\n")
    for name, words in (("service.yaml", "must hold a manifest"), ("nothing.yaml", "cannot be read")):
        done = run("convert", tmp_path / name)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr
