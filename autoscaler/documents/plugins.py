"""Rules from outside: packages that are installed, and files that the daemon's settings name.

Never from a document: that would be running the code of whoever may edit a ConfigMap.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.errors import UsageError
from autoscaler.rules.base import RuleModel
from autoscaler.rules.registry import BUILT_IN, Registry, register

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

ENTRY_POINT_GROUP = "autoscaler.rules"


def registry(rule_files: Iterable[Path | str] = (), *, installed: bool = True) -> Registry:
    """Return all rules there are: built in, of installed packages (unless not wanted), and of `rule_files`.

    Raises:
        UsageError: a plug-in cannot be imported, is no rule, or has the type of another.
    """
    known = _from_packages(BUILT_IN) if installed else BUILT_IN
    for path in map(Path, rule_files):
        known = _from_file(known, path)
    return known


def _from_packages(known: Registry) -> Registry:
    for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        source = f"entry point {entry.name} = {entry.value}"
        try:
            candidate = entry.load()
        except Exception as error:
            raise UsageError(f"{source}: cannot be imported: {type(error).__name__}: {error}") from error
        known = register(known, candidate, source)
    return known


def _from_file(known: Registry, path: Path) -> Registry:
    module = _imported(path)
    rules = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, RuleModel) and value.__module__ == module.__name__
    ]
    if not rules:
        raise UsageError(f"rule file {path}: must define a subclass of autoscaler.rules.base.RuleModel")
    for rule in rules:
        known = register(known, rule, f"rule file {path}")
    return known


def _imported(path: Path) -> ModuleType:
    """Return the module in a file, without putting it among the importable ones."""
    if not path.is_file():
        raise UsageError(f"rule file {path}: does not exist")
    spec = importlib.util.spec_from_file_location(f"autoscaler_rule_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"rule file {path}: must be a Python file, ending in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"rule file {path}: cannot be imported: {type(error).__name__}: {error}") from error
    return module
