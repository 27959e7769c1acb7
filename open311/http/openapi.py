"""The OpenAPI 3.1 document: what flask-smorest collects, completed by our JSON Schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from apispec import APISpec

from open311.config.shipped import shipped_path

API_OPTIONS: dict[str, Any] = {
    "info": {
        "description": (
            "Open311 GeoReport v2 with extensions. Every answer exists in XML and JSON; the "
            "suffix chooses. Each base is also served for one jurisdiction alone at "
            "`/open311/<jurisdiction_id>/v2`, with a test endpoint at "
            "`/open311/<jurisdiction_id>/test/v2`."
        ),
        "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    },
}


def add_document_schemas(spec: APISpec) -> None:
    """Make the published JSON Schemas components, under the names that views use."""
    for path in sorted(Path(shipped_path("schemas/json")).glob("*.schema.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        for key in ("$schema", "$id"):
            schema.pop(key, None)
        name = path.name.removesuffix(".schema.json")
        spec.components.schema(name, _inside_components(schema, name))


def _inside_components(schema: Any, name: str) -> Any:
    """The schema with its references turned to where it now stands."""
    if isinstance(schema, list):
        return [_inside_components(each, name) for each in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {key: _inside_components(value, name) for key, value in schema.items()}
    if isinstance(turned.get("$ref"), str):
        file, _, pointer = turned["$ref"].partition("#")
        target = file.removesuffix(".schema.json") or name
        turned["$ref"] = f"#/components/schemas/{target}{pointer}"
    return turned


def complete_document(document: dict[str, Any]) -> dict[str, Any]:
    """Describe what marshmallow cannot: attributes and photos of a POST, keys, links."""
    components = document["components"]
    components.pop("responses", None)  # flask-smorest's own errors are never sent
    for unused in ("Error", "PaginationMetadata"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"key": _KEY}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "responses" in operation:
                operation["responses"].pop("default", None)
        if path.startswith("/open311/v2/requests.") and "post" in operations:
            _add_photos_and_answers(operations["post"]["requestBody"]["content"])
    for path, links in _LINKS.items():
        for method, described in links.items():
            document["paths"][path][method]["responses"]["200"]["links"] = described
    return document


_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "The same key as the parameter `api_key`.",
}


def _link(operation: str, parameter: str, pointer: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {parameter: f"$response.body#{pointer}"}}


_ONE = _link("get_service_request_json", "service_request_id", "/0/service_request_id")
_LINKS: dict[str, dict[str, Any]] = {
    "/open311/v2/requests.json": {
        "post": {"request": _ONE, "id": _link("get_request_id_json", "token", "/0/token")},
    },
    "/open311/v2/tokens/{token}.json": {"get": {"request": _ONE}},
    "/open311/v2/services.json": {
        "get": {
            "definition": _link("get_service_definition_json", "service_code", "/0/service_code")
        }
    },
}


def _add_photos_and_answers(body: dict[str, Any]) -> None:
    for media_type, content in body.items():
        content["schema"] = {"allOf": [content["schema"], _beside(media_type)]}
        if media_type == "application/x-www-form-urlencoded":
            content["encoding"] = {"attribute": {"style": "deepObject", "explode": True}}


def _beside(media_type: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "attribute": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Answers to the definition: `attribute[CODE]=value`.",
        }
    }
    if media_type == "multipart/form-data":
        properties["media"] = {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "image/jpeg"},
            "description": "Up to four photos (JPEG, PNG, WEBP; 10 MB each).",
        }
    return {"type": "object", "properties": properties}
