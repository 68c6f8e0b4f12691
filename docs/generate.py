"""Write docs/reference from the models themselves, so that the pages cannot say anything else than the code.

Run `python docs/generate.py` to write them, and with `--check` to fail if one is out of date.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from autoscaler.cli.main import COMMANDS
from autoscaler.daemon.metrics import Metrics
from autoscaler.documents.autoscaler import InferenceAutoscaler
from autoscaler.documents.peer import PeerPolicy
from autoscaler.documents.policy import ScalingPolicy
from autoscaler.documents.scenario import Scenario
from autoscaler.rules.registry import BUILT_IN
from autoscaler.settings import PREFIX, Settings
from autoscaler.signals.gateways import GATEWAYS, Gateway
from autoscaler.signals.preset import UNITS, Preset
from autoscaler.signals.presets import PRESETS

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Written by `make docs`: change the code, not this page. -->\n\n"
COMMANDS_HEAD = """# Commands

Exit codes: 0 done, 1 failed at run time, 2 wrong usage or document. Errors go to standard error, without a traceback,
and name file, key path, value and what is allowed.
"""
DOCUMENTS = """# Documents

What users write: YAML or JSON, several documents a file if you like. Every document has `apiVersion:
autoscaler.inference.dev/v1alpha1`, `kind`, `metadata` and `spec`. Unknown fields are refused. `autoscaler schema`
prints the JSON Schema.
"""
METRICS = """# Metrics

What the daemon says of itself on `/metrics`. Series of a target leave with the target. The metrics `process_*` of the
Prometheus client are there too.

"""
SETTINGS = """# Settings

How the daemon itself runs: a YAML file, named by `autoscaler run --settings`, and environment variables over it. An
unknown field, an unknown variable that begins with `AUTOSCALER_`, and a missing file are errors. What is scaled, and
how, stands in the [documents](documents.md).

"""
RULES = """# Rules

What may stand in a policy's `rules`. Every rule also takes `name`, by which its memory is kept: two of one type need
two names.
"""
SIGNALS = """# Signals

What a preset measures; a document's `backend` names one, `gateway` another, and `signals` adds to both. `dcgm` and
`cadvisor` serve every backend. Of a series' names the first that exists is read, never two. [How to
choose](../how-to/choose-signals.md).

"""


class Described(NamedTuple):
    """A class as its source describes it."""

    bases: tuple[str, ...]
    docstring: str
    fields: dict[str, str]
    """The text below each field."""


def described(folder: Path) -> dict[str, Described]:
    """Return every class below `folder` by its name, with the docstrings of its fields."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = tuple(ast.unparse(base) for base in node.bases)
                found[node.name] = Described(bases, ast.get_docstring(node) or "", _field_texts(node))
    return found


def _field_texts(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = " ".join(text.split())
            case _:
                pass
    return texts


CLASSES = described(ROOT / "autoscaler")


def text_of(name: str, field: str) -> str:
    """Return what the source says below a field of a class or of its bases; empty where it says nothing."""
    if name not in CLASSES:
        return ""
    own = CLASSES[name].fields.get(field, "")
    return own or next(filter(None, (text_of(base, field) for base in CLASSES[name].bases)), "")


def snake(name: str) -> str:
    """Return `targetPerReplica` as `target_per_replica`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return a schema's type in words, with what it allows; another object is a link to its section."""
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        other = definitions.get(name, {})
        return kind(other, definitions) if "enum" in other else f"[{name}](#{name.lower()})"
    choices = [one for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, ()) if one.get("type") != "null"]
    if choices:
        return " or ".join(dict.fromkeys(kind(one, definitions) for one in choices))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', schema.get('prefixItems', [{}])[0]), definitions)}"
    values = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
    maps = [kind(value, definitions) for value in values if isinstance(value, dict)]
    return f"map of {maps[0]}" if maps else _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    if schema.get("x-kubernetes-preserve-unknown-fields") and "properties" in schema:
        return "[rule](rules.md)"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]) if one)
    return f"{schema.get('type', 'anything')}{_limits(schema)}"


def _limits(schema: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<", "minItems": "at least"}
    parts = [
        f"{sign} {schema[word]:g}" for word, sign in signs.items() if word in schema and abs(schema[word]) < 2**31 - 1
    ]
    return f" {', '.join(parts)}" if parts else ""


def table(name: str, schema: dict[str, Any], skip: tuple[str, ...] = ()) -> str:
    """Return the fields of one object as a table: name, type, default, meaning."""
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    required, definitions = set(schema.get("required", ())), schema.get("$defs", {})
    for field, one in sorted(schema.get("properties", {}).items(), key=lambda pair: pair[0] not in required):
        if field in skip:
            continue
        default = "required" if field in required else _default(one.get("default"))
        text = one.get("description") or text_of(name, snake(field)) or _of_target(one)
        rows.append(f"| `{field}` | {_cell(kind(one, definitions))} | {default} | {_cell(text)} |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    """Return a default as it would be written; those of an object stand in its own section."""
    return "" if value in (None, "", []) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _of_target(schema: dict[str, Any]) -> str:
    """Return what the class that a field refers to says of itself."""
    refs = [one["$ref"].split("/")[-1] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one]
    return first_line(CLASSES[refs[0]].docstring) if refs and refs[0] in CLASSES else ""


def first_line(text: str) -> str:
    """Return the claim of a docstring."""
    return text.split("\n\n", maxsplit=1)[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def rules() -> str:
    """Return the page of the built-in rules."""
    parts = [RULES]
    for word, rule in BUILT_IN.items():
        schema = rule.model_json_schema(by_alias=True)
        text = CLASSES[rule.__name__].docstring
        parts.append(f"## {word}\n\n{text}\n\n{table(rule.__name__, schema, skip=('type', 'name'))}")
        for name in reachable(schema):
            one = schema["$defs"][name] | {"$defs": schema["$defs"]}
            parts.append(f"### {name}\n\n{CLASSES[name].docstring}\n\n{table(name, one)}")
    return "\n".join(parts)


def documents() -> str:
    """Return the page of the kinds of documents, each with the objects that it is made of."""
    parts, told = [DOCUMENTS], set()
    for document in (InferenceAutoscaler, ScalingPolicy, Scenario, PeerPolicy):
        schema = document.model_json_schema(by_alias=True)
        definitions = schema["$defs"]
        spec = kind(schema["properties"]["spec"], definitions)
        text = CLASSES[document.__name__].docstring
        parts.append(f"## {document.__name__}\n\n{text} Its `spec` is a {spec}.\n")
        for name in reachable(schema):
            if name not in told:
                told.add(name)
                one = definitions[name] | {"$defs": definitions}
                parts.append(f"### {name}\n\n{CLASSES[name].docstring}\n\n{table(name, one)}")
    return "\n".join(parts)


def reachable(schema: dict[str, Any]) -> list[str]:
    """Return the names of the objects that a schema is made of, each before those that it is made of."""
    found: list[str] = []
    waiting = [schema]
    while waiting:
        refs = re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop(0).get("properties", {})))
        new = [name for name in dict.fromkeys(refs) if name not in found and "properties" in schema["$defs"][name]]
        found += new
        waiting += [schema["$defs"][name] for name in new]
    return found


def commands() -> str:
    """Return the page of the commands: what each says of itself with `--help`."""
    parts = [COMMANDS_HEAD]
    for name in ("", *COMMANDS):
        words = ["autoscaler", *filter(None, [name])]
        script = f"from autoscaler.cli.main import main; main({[*words[1:], '--help']!r})"
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", script]
        said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603
        lines = "\n".join(line.rstrip() for line in said.strip().splitlines())
        parts.append(f"## {' '.join(words)}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Return the page of the daemon's own settings, one row for each value, groups one after the other."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    rows = ["| setting | environment variable | type | default | meaning |", "|---|---|---|---|---|"]
    groups = [("", schema), *((f"{name}.", _group(one, definitions)) for name, one in schema["properties"].items())]
    for prefix, group in groups:
        for field, one in group.get("properties", {}).items():
            if _group(one, definitions):
                continue
            path = f"{prefix}{field}"
            variable = f"{PREFIX}{path.replace('.', '__').upper()}"
            default, text = _default(one.get("default")), _cell(one.get("description", ""))
            rows.append(f"| `{path}` | `{variable}` | {_cell(kind(one, definitions))} | {default} | {text} |")
    return SETTINGS + "\n".join(rows) + "\n"


def _group(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the group of settings that a field is; empty where it is a single value."""
    other = definitions.get(schema.get("$ref", "").split("/")[-1], {})
    return other if "properties" in other else {}


def metrics() -> str:
    """Return the page of what the daemon says of itself on `/metrics`."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in Metrics().registry.collect():
        if family.name.startswith("autoscaler_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
            rows.append(f"| `{name}` | {family.type} | {labels} | {_cell(family.documentation)} |")
    return METRICS + "\n".join(rows) + "\n"


def signals() -> str:
    """Return the page of the presets: who measures which signal, under which names."""
    rows = [f"| signal | unit | {' | '.join(PRESETS)} |", f"|---|---|{'---|' * len(PRESETS)}"]
    for name, unit in UNITS.items():
        having = ("yes" if name in preset.signals else "" for preset in PRESETS.values())
        rows.append(f"| `{name}` | {unit} | {' | '.join(having)} |")
    parts = [SIGNALS + "\n".join(rows) + "\n"]
    parts += [_preset(preset) for preset in PRESETS.values()]
    parts.append("## Gateways\n")
    parts += [_gateway(gateway) for gateway in GATEWAYS.values()]
    return "\n".join(parts)


def _preset(preset: Preset) -> str:
    place = f" Scraped at port {preset.port}, `{preset.path}`." if preset.port else ""
    rows = ["| series | names, the newest first | needs |", "|---|---|---|"]
    for name, series in preset.series.items():
        names = ", ".join(f"`{metric.name}`" for metric in series.metrics)
        rows.append(f"| {name} | {names} | {_cell(series.needs)} |")
    return f"## {preset.name}\n\n{_provenance(preset)}{place}\n\n" + "\n".join(rows) + "\n"


def _gateway(gateway: Gateway) -> str:
    rows = ["| signal | query |", "|---|---|"]
    rows += [f"| `{name}` | `{_cell(query)}` |" for name, query in gateway.signals.items()]
    text = f"{_provenance(gateway)} `name` is the label `{gateway.label}`."
    return f"### {gateway.name}\n\n{text}\n\n" + "\n".join(rows) + "\n"


def _provenance(source: Preset | Gateway) -> str:
    needs = f" Needs {source.needs}." if source.needs else ""
    return f"Since: {source.since}.{needs}"


PAGES = {
    "commands.md": commands,
    "documents.md": documents,
    "metrics.md": metrics,
    "rules.md": rules,
    "settings.md": settings,
    "signals.md": signals,
}


def main() -> int:
    """Write the pages, or compare them; 1 if one is out of date."""
    stale = []
    for name, page in PAGES.items():
        text, path = HEAD + page(), REFERENCE / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            REFERENCE.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if "--check" in sys.argv[1:] and stale:
        print(f"out of date, run `make docs`: {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
