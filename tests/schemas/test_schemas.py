"""The schemas accept what we write and refuse each fault they are there to refuse."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from lxml import etree
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "fixtures" / "georeport"
SCHEMAS = ROOT / "schemas"
SOURCE: dict[str, Any] = json.loads((GOLDEN / "source.json").read_text(encoding="utf-8"))
BROKEN: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).with_name("broken.toml")).read_text(encoding="utf-8")
)["broken"]
#: Which schema speaks for which document: sections of the source bear the schemas' names.
SCHEMA_OF = {
    stem: section
    for section, documents in SOURCE.items()
    if section not in ("about", "requests")
    for stem in documents
}
GOLDEN_DOCUMENTS = sorted(path.name for path in GOLDEN.iterdir() if path.stem in SCHEMA_OF)


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


def refusals(document: str, body: bytes) -> set[str]:
    """Which of the schemas that speak for `document` refuse `body`."""
    stem, suffix = document.split(".")
    schema = SCHEMA_OF[stem]
    if suffix == "xml":
        root = etree.fromstring(body)
        validators = xml_validators(schema)
        return {kind for kind, validator in validators.items() if not validator.validate(root)}
    name = "service_requests_geojson" if suffix == "geojson" else schema
    return set() if json_validator(name).is_valid(json.loads(body)) else {"json"}


def golden(document: str) -> bytes:
    return (GOLDEN / document).read_bytes()


def broken(fault: dict[str, Any]) -> bytes:
    """The golden document with the fault in it."""
    text = golden(fault["document"]).decode()
    for find, by in [(fault["replace"], fault["by"]), *fault.get("also", [])]:
        assert find in text, f"{fault['document']} has no {find!r} any more"
        text = text.replace(find, by, 1)
    return text.encode()


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("json/*.json")), ids=lambda path: path.name)
def test_a_json_schema_is_one(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_datetimes_are_checked_as_real_dates() -> None:
    assert "date-time" in FormatChecker().checkers, "needs jsonschema[format]"


@pytest.mark.parametrize("name", sorted(set(SCHEMA_OF.values())))
def test_every_document_has_its_three_schemas(name: str) -> None:
    assert set(xml_validators(name)) == {"xsd", "relaxng"}
    assert json_validator(name)


@pytest.mark.parametrize("document", GOLDEN_DOCUMENTS)
def test_a_golden_document_is_valid(document: str) -> None:
    assert refusals(document, golden(document)) == set()


@pytest.mark.parametrize(
    "fault", BROKEN, ids=lambda fault: f"{fault['rule']}-{fault['document']}-{fault['says']}"
)
def test_a_fault_is_refused_by_the_schemas_that_can_see_it(fault: dict[str, Any]) -> None:
    everyone = {"xsd", "relaxng"} if fault["document"].endswith(".xml") else {"json"}
    expected = set(fault.get("refused_by", everyone))
    assert expected == everyone or fault["because"]
    assert refusals(fault["document"], broken(fault)) == expected


@pytest.mark.parametrize(("length", "expected"), [(4000, set()), (4001, {"xsd", "relaxng"})])
def test_a_description_holds_4000_characters_in_xml(length: int, expected: set[str]) -> None:
    """C-123: characters, not bytes."""
    root = etree.fromstring(golden("service_requests_edge.xml"))
    description = root.find("request/description")
    assert description is not None
    description.text = "😀" * length
    assert refusals("service_requests_edge.xml", etree.tostring(root)) == expected


@pytest.mark.parametrize(("length", "expected"), [(4000, set()), (4001, {"json"})])
def test_a_description_holds_4000_characters_in_json(length: int, expected: set[str]) -> None:
    requests = json.loads(golden("service_requests_edge.json"))
    requests[0]["description"] = "😀" * length
    assert refusals("service_requests_edge.json", json.dumps(requests).encode()) == expected


@pytest.mark.parametrize(("count", "expected"), [(1000, set()), (1001, {"xsd"})])
def test_a_list_holds_1000_requests_in_xml(count: int, expected: set[str]) -> None:
    """C-196; RelaxNG cannot count."""
    root = etree.fromstring(golden("service_requests_one.xml"))
    one = etree.tostring(root[0])
    body = b"<service_requests>" + one * count + b"</service_requests>"
    assert refusals("service_requests_one.xml", body) == expected


@pytest.mark.parametrize("suffix", ["json", "geojson"])
@pytest.mark.parametrize(("count", "expected"), [(1000, set()), (1001, {"json"})])
def test_a_list_holds_1000_requests_in_json(suffix: str, count: int, expected: set[str]) -> None:
    document = f"service_requests_one.{suffix}"
    body = json.loads(golden(document))
    if suffix == "json":
        body *= count
    else:
        body["features"] *= count
    assert refusals(document, json.dumps(body).encode()) == expected


def test_the_readme_and_the_faults_name_the_same_rules() -> None:
    """A rule that no fault breaks may be missing from the schemas."""
    readme = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([CXH]-\d+) \|", readme, flags=re.MULTILINE))
    assert rows == {fault["rule"] for fault in BROKEN} | {"C-123", "C-196"}
