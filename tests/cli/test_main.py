"""The program itself: what it lists, what it loads, and what becomes of an error."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from autoscaler import __version__
from autoscaler.cli import main as program
from autoscaler.errors import ClusterError, DocumentError, Problem, UsageError

HEAVY = (
    "pydantic",
    "pydantic_settings",
    "kubernetes",
    "rich",
    "yaml",
    "numpy",
    "numba",
    "requests",
    "urllib3",
    "structlog",
    "apscheduler",
    "prometheus_client",
    "prometheus_api_client",
    "optuna",
    "asyncio",
    "autoscaler.engine",
    "autoscaler.daemon",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-X", "importtime", "-m", "autoscaler.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_loads_none_of_the_heavy_modules():
    """`--help` lists every command with its line, and imports nothing that a command needs."""
    done = run("--help")
    assert done.returncode == 0
    loaded = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE))
    assert "typer" in loaded
    assert not {name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")}
    for name, line in program.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_is_there_and_has_help(name, capsys):
    """Each command of the table is a module with a function of its name, that explains itself in one line."""
    assert importlib.util.find_spec(f"autoscaler.cli.{name}") is not None
    with pytest.raises(SystemExit) as ended:
        program.main([name, "--help"])
    assert ended.value.code == 0
    assert f"Usage: autoscaler {name}" in capsys.readouterr().out


def test_version(capsys):
    """`--version` prints the package's version."""
    with pytest.raises(SystemExit) as ended:
        program.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"autoscaler {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulat"], "Did you mean 'simulate'?"),
        (["run", "--nonsense"], "--nonsense"),
        (["explain"], "JOURNAL"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_told(arguments, message, capsys):
    """A wrong command, option or argument exits with 2 and says which."""
    with pytest.raises(SystemExit) as ended:
        program.main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


@pytest.fixture
def command(monkeypatch):
    """A function that puts a command `broken` into the table, which does what it is given."""

    def make(act):
        module = types.ModuleType("autoscaler.cli.broken")

        def broken() -> None:
            """Do what the test says."""
            act()

        module.broken = broken
        monkeypatch.setitem(sys.modules, "autoscaler.cli.broken", module)
        monkeypatch.setattr(program, "COMMANDS", {"broken": "Break."})

        def call():
            with pytest.raises(SystemExit) as ended:
                program.main(["broken"])
            return ended.value.code

        return call

    return make


def raising(error):
    """Return something that raises the error."""

    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no documents"), 2),
        (DocumentError(Problem("a.yaml:3", "spec.maxReplicas", "0", "must be at least 1")), 2),
        (ClusterError("HTTP 503"), 1),
    ],
)
def test_own_errors_are_a_message_and_a_code(command, error, code, capsys):
    """What the package raises on purpose is its message on standard error, with its exit code and no traceback."""
    assert command(raising(error))() == code
    said = capsys.readouterr()
    assert said.err == f"autoscaler: {error}\n"
    assert said.out == ""


def test_other_errors_are_one_line_and_a_file(command, capsys, monkeypatch, tmp_path):
    """What nobody expected is one line, which says where the traceback is."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert command(raising(KeyError("surprise")))() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("autoscaler: internal error: KeyError: 'surprise'; the details are in ")
    details = Path(said.rsplit(" in ", 1)[1].strip()).read_text()
    assert "Traceback" in details


def test_details_go_to_standard_error_where_no_file_can_be_written(command, capsys, monkeypatch, tmp_path):
    """On a read-only file system the traceback is not lost."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert command(raising(KeyError("surprise")))() == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(command):
    """An interrupt ends with the code that shells expect, without a word."""
    assert command(raising(KeyboardInterrupt()))() == 130


def test_a_command_may_choose_its_code(command):
    """`typer.Exit` passes through."""
    assert command(raising(typer.Exit(1)))() == 1
    assert command(lambda: None)() == 0
