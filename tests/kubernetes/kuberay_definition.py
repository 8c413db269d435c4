"""KubeRay's RayService as a CustomResourceDefinition: its part ours, the pods' part the running API server's own.

KubeRay's definition cannot be had here; ours (tests/inf2lab/scale/kuberay.schema.json) was written from its sources.
Where that names an object of Kubernetes, the schema is taken from the server's OpenAPI documents, so that a pod inside
a RayService is looked at as strictly as any other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[1] / "inf2lab" / "scale" / "kuberay.schema.json"
DOCUMENTS = ("/openapi/v3/api/v1", "/openapi/v3/apis/networking.k8s.io/v1")
KEPT = {
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "required",
    "default",
    "items",
    "properties",
    "additionalProperties",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
}
INT_OR_STRING = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the definition; `documents` are the server's OpenAPI of DOCUMENTS."""
    schemas: dict[str, Any] = {}
    for document in documents:
        schemas |= document["components"]["schemas"]
    ours = json.loads(SCHEMA.read_text())
    schema = _structural(ours["definitions"]["RayService"], ours, schemas, ())
    schema["properties"]["metadata"] = {"type": "object"}  # the API server has its own rules for it
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rayservices.ray.io"},
        "spec": {
            "group": "ray.io",
            "names": {"kind": "RayService", "plural": "rayservices"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _structural(
    schema: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], above: tuple[str, ...]
) -> dict[str, Any]:
    """Return a schema with every reference written out; one that is inside itself is cut to anything."""
    reference, schema = _reference(schema)
    if reference:
        name = reference.rpartition("/")[2]
        if name in above:
            return dict(ANYTHING)
        of_ours = reference.startswith("#/definitions/")
        found = ours["definitions"][name] if of_ours else _of_kubernetes(name, theirs)
        return _structural(found, ours, theirs, (*above, name)) | _default(schema)
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string" or "oneOf" in schema:
        return dict(INT_OR_STRING)  # numbers and quantities
    kept = {key: value for key, value in schema.items() if key in KEPT and key != "default"} | _default(schema)
    if "properties" in kept:
        kept["properties"] = {
            name: _structural(value, ours, theirs, above) for name, value in kept["properties"].items()
        }
        for name in kept.get("required", ()):
            if kept["properties"][name].get("default") == "":
                del kept["properties"][name]["default"]
    if isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = _structural(kept["additionalProperties"], ours, theirs, above)
    else:
        kept.pop("additionalProperties", None)  # false: strict validation refuses what is not named
    if "items" in kept:
        kept["items"] = _structural(kept["items"], ours, theirs, above)
    if kept.get("type") == "object" and not kept.keys() & {"properties", "additionalProperties"}:
        return dict(ANYTHING)
    return kept


def _reference(schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what a schema refers to, and what stands beside that; the server writes `allOf` with one reference."""
    if "$ref" in schema:
        return schema["$ref"], schema
    if len(schema.get("allOf", ())) == 1:
        return schema["allOf"][0]["$ref"], schema
    return "", schema


def _of_kubernetes(name: str, theirs: dict[str, Any]) -> dict[str, Any]:
    """Return the server's schema of a kind, by its whole name or its last part."""
    if name in theirs:
        return theirs[name]
    (found,) = (key for key in theirs if key.rpartition(".")[2] == name and ".v1." in key)
    return theirs[found]


def _default(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a default that means something: the server's documents give Go's zero, "" or {}, to what is required."""
    value = schema.get("default")
    return {} if value in (None, {}, []) else {"default": value}
