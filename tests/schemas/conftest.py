"""The schemas as one judge: which of them refuse a document."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from lxml import etree
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[2] / "schemas"


@cache
def json_schemas() -> Registry[Any]:
    """Every JSON Schema under its address on disk, so that relative references resolve."""
    return Registry().with_resources(
        (path.as_uri(), Resource.from_contents(json.loads(path.read_text(encoding="utf-8"))))
        for path in (SCHEMAS / "json").glob("*.schema.json")
    )


@cache
def json_validator(name: str) -> Draft202012Validator:
    address = (SCHEMAS / "json" / f"{name}.schema.json").as_uri()
    return Draft202012Validator(
        {"$ref": address}, registry=json_schemas(), format_checker=FormatChecker()
    )


@cache
def xml_validators(name: str) -> dict[str, etree.XMLSchema | etree.RelaxNG]:
    return {
        "xsd": etree.XMLSchema(file=str(SCHEMAS / "xsd" / f"{name}.xsd")),
        "relaxng": etree.RelaxNG(file=str(SCHEMAS / "relaxng" / f"{name}.rng")),
    }


def refused_by(schema: str, suffix: str, body: bytes) -> set[str]:
    """Which schemas of one document refuse `body`, an answer of the format `suffix`.

    Of `xml` the XSD and the RelaxNG judge, of `json` and `geojson` the JSON Schema.
    """
    if suffix == "xml":
        root = etree.fromstring(body)
        return {kind for kind, judge in xml_validators(schema).items() if not judge.validate(root)}
    name = "service_requests_geojson" if suffix == "geojson" else schema
    return set() if json_validator(name).is_valid(json.loads(body)) else {"json"}


Judge = Callable[[str, str, bytes], set[str]]


@pytest.fixture(scope="session")
def refusals() -> Judge:
    """`refused_by`: (schema, suffix, body) to the names of those that refuse."""
    return refused_by
