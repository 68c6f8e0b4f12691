"""JSON Schema of the documents: structural, so that each kind can become a CustomResourceDefinition as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoscaler.documents.load import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return one schema for all kinds; a document is valid if it is valid as its kind."""
    return {
        "$schema": DIALECT,
        "title": "Documents of autoscaler.inference.dev/v1alpha1",
        "oneOf": [schema_of(kind) for kind in KINDS],
    }


def schema_of(kind: str) -> dict[str, Any]:
    """Return the schema of one kind: without references, so that it stands alone."""
    model: type[BaseModel] = KINDS[kind]
    generated = model.model_json_schema(by_alias=True)
    definitions = generated.pop("$defs", {})
    resolved: dict[str, Any] = _resolve(generated, definitions)
    resolved["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return resolved


def custom_resource_schema(kind: str) -> dict[str, Any]:
    """Return `openAPIV3Schema` of a CustomResourceDefinition: the frame is the API server's, the spec is ours."""
    spec: dict[str, Any] = _structural(schema_of(kind)["properties"]["spec"])
    frame = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {"type": "object", "required": ["spec"], "properties": {**frame, "spec": spec}}


def _resolve(node: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the node with references replaced by what they mean; what stands beside one wins over it."""
    if isinstance(node, list):
        return [_resolve(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        beside = {name: value for name, value in node.items() if name != "$ref"}
        return _resolve({**target, **beside}, definitions)
    resolved = {name: _resolve(value, definitions) for name, value in node.items()}
    # without this, a key that matches no pattern would be welcome
    return {**resolved, "additionalProperties": False} if "patternProperties" in resolved else resolved


def _structural(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the node in the words that a structural schema has.

    `null` becomes `nullable`, a bound that is excluded its own flag, a list of fixed places a list of numbers; closed
    objects and titles go, for the API server prunes unknown fields by itself.
    """
    if isinstance(node, list):
        return [_structural(item) for item in node]
    if not isinstance(node, dict):
        return node
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    if "anyOf" in node and len(choices) == 1:
        inner = {**choices[0], **{name: value for name, value in node.items() if name != "anyOf"}}
        return {**_structural(inner), "nullable": True}
    if choices:
        # a quantity is a number or a text, and no one type of a structural schema is both
        described = {"description": node["description"]} if "description" in node else {}
        return {"x-kubernetes-preserve-unknown-fields": True, **described}
    return _keywords(node)


def _keywords(node: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for word, value in node.items():
        if word == "properties":
            out[word] = {name: _structural(inner) for name, inner in value.items()}
        elif word in _REPLACED:
            out |= _REPLACED[word](value)
        else:
            out[word] = _structural(value)
    return out


def _default(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    # an API server of 1.20 takes the default "" for null, and refuses its own default then
    return {} if value in (None, "") else {"default": value}


_REPLACED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "title": lambda _: {},
    "propertyNames": lambda _: {},
    "default": _default,
    "const": lambda value: {"enum": [value]},
    "exclusiveMinimum": lambda value: {"minimum": value, "exclusiveMinimum": True},
    "exclusiveMaximum": lambda value: {"maximum": value, "exclusiveMaximum": True},
    "prefixItems": lambda _: {"items": {"type": "number"}},
    "patternProperties": lambda value: {"additionalProperties": _structural(next(iter(value.values())))},
    "additionalProperties": lambda value: {} if value is False else {"additionalProperties": _structural(value)},
}
"""What becomes of the words that a structural schema does not have, or has otherwise."""
