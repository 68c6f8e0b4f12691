"""README and docs: what they tell to do works, and what they point to is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.stage import Stage
from tests.project.dockerfile import clean_environment
from tests.project.pages import Step, commands, prints, steps
from tests.real.node_agent import PodPlan
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from tests.project.conftest import Image
    from tests.real.control_plane import ControlPlane
    from tests.real.prometheus import StartPrometheus

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted(
    str(page.relative_to(CHECKOUT))
    for page in [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("*/README.md")]
)
DEMO_SECONDS = "8"
"""Enough for a picture and the summary."""
IN_FLIGHT = 60


@pytest.fixture
def reader(clone: Path, image: Image, tmp_path: Path):
    """Somebody with a fresh clone who does what a page says, in order."""
    folder = tmp_path / "clone"
    shutil.copytree(clone, folder)
    environment = clean_environment(image.root / "venv" / "bin") | {"DURATION": DEMO_SECONDS, "COLUMNS": "120"}

    def follow(step: Step, **more: str) -> None:
        if step.file:
            (folder / step.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.file).write_text(step.text)
            return
        done = subprocess.run(
            ["/bin/sh", "-c", step.text],
            check=False,
            cwd=folder,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert prints(step.printed, done.stdout), f"$ {step.text}\n{done.stdout}"
        assert done.returncode == 0 or step.printed, f"$ {step.text}\n{done.stdout}"

    return follow


@pytest.mark.parametrize("name", [name for name in PAGES if any(not s.on_a_cluster for s in steps(CHECKOUT / name))])
def test_what_a_page_says_works(name: str, reader):
    """Each command of the page, run in its order in a fresh clone, prints what the page shows."""
    for step in steps(CHECKOUT / name):
        if not step.on_a_cluster:
            reader(step)


@pytest.mark.cluster
def test_what_pages_say_works_on_a_cluster(reader, control_plane: ControlPlane, prometheus_server: StartPrometheus):
    """The commands for a cluster work where the Deployment runs under load and a Prometheus scrapes it."""
    pages = [page for page in map(steps, map(CHECKOUT.joinpath, PAGES)) if any(step.on_a_cluster for step in page)]
    with Stage(control_plane, "inference", PodPlan(cold_start_seconds=0.5)) as stage:
        server = prometheus_server(stage.scrape_configs)
        stage.load.keep(IN_FLIGHT)
        eventually(lambda: server.query("sum(vllm:num_requests_running + vllm:num_requests_waiting) > 40"), bool)
        for step in (step for page in pages for step in page if step.file or step.on_a_cluster):
            text, printed = (part.replace("http://localhost:9090", server.url) for part in (step.text, step.printed))
            reader(step._replace(text=text, printed=printed), KUBECONFIG=str(stage.kubeconfig))
        assert pages
        assert stage.writes() == 0


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str):
    """What a page links to inside the repository is there."""
    page = CHECKOUT / name
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|<img[^>]* src=\"([^\"]+)\"", page.read_text())
    inside = [one or other for one, other in targets if not re.match(r"[a-z]+:", one or other)]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("index", "folder", "pattern"),
    [
        ("docs/README.md", "docs", "*.md"),
        ("benchmarks/README.md", "benchmarks", "benchmarks/*.py"),
        ("policies/README.md", "policies", "*.yaml"),
        ("simulations/README.md", "simulations", "*.yaml"),
    ],
)
def test_an_index_names_all_that_is_there(index: str, folder: str, pattern: str, tracked: list[Path]):
    """Who adds a page, a benchmark, a policy or a scenario also says where it is found."""
    text = (CHECKOUT / index).read_text()
    there = [name.relative_to(folder) for name in tracked if name.is_relative_to(folder) and name.match(pattern)]
    assert len(there) > 2
    assert [
        str(name) for name in there if str(name) not in text and name.name not in ("README.md", "__init__.py")
    ] == []


def test_the_readme_fits_on_two_screens():
    """A newcomer reads all of it: at most 110 lines."""
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 110


def test_commands_are_read_with_what_they_print():
    """A block is split at `$ `; continued lines belong to the command, the others are its output."""
    found = commands("$ a \\\n  b\nout 1\n\nout 2\n$ c\n")
    assert found == [Step("", "a \\\n  b", "out 1\n\nout 2"), Step("", "c")]


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("", "whatever", True),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("1.5 s", "1x5 s", False),
        ("a ... b", "a 12 b  ", True),
        ("a", "a\nb", False),
    ],
)
def test_what_is_printed_is_compared(expected: str, got: str, same: bool):
    """Three dots stand for anything and everything else for itself."""
    assert prints(expected, got) is same


def test_the_environment_of_a_reader_is_clean():
    """No variable of this run's own environment decides what a reader sees."""
    assert not {name for name in clean_environment() if name.startswith(("AUTOSCALER_", "PYTHON", "VIRTUAL_ENV"))}
    assert str(CHECKOUT) not in clean_environment()["PATH"].split(os.pathsep)
