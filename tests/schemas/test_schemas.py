"""The schemas accept what we write and refuse each fault they are there to refuse."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from lxml import etree

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "fixtures" / "georeport"
SCHEMAS = ROOT / "schemas"
SOURCE: dict[str, Any] = json.loads((GOLDEN / "source.json").read_text(encoding="utf-8"))
BROKEN: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("broken.toml").read_text(encoding="utf-8")
)["broken"]
#: Which schema speaks for which document: sections of the source bear the schemas' names.
SCHEMA_OF = {
    stem: section
    for section, documents in SOURCE.items()
    if section not in ("about", "requests")
    for stem in documents
}
PATHS = sorted(path for path in GOLDEN.iterdir() if path.stem in SCHEMA_OF)

Judge = Callable[[str, str, bytes], set[str]]


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


def test_every_document_has_its_three_schemas() -> None:
    names = set(SCHEMA_OF.values()) | {"types"}
    assert {path.stem for path in SCHEMAS.glob("xsd/*.xsd")} == names
    assert {path.stem for path in SCHEMAS.glob("relaxng/*.rng")} == names
    json_names = {path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("json/*.json")}
    assert json_names == names | {"service_requests_geojson"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_golden_document_is_valid(path: Path, refusals: Judge) -> None:
    assert refusals(SCHEMA_OF[path.stem], path.suffix[1:], path.read_bytes()) == set()


@pytest.mark.parametrize(
    "fault", BROKEN, ids=lambda fault: f"{fault['rule']}-{fault['document']}-{fault['says']}"
)
def test_a_fault_is_refused_by_the_schemas_that_can_see_it(
    fault: dict[str, Any], refusals: Judge
) -> None:
    stem, suffix = fault["document"].split(".")
    everyone = {"xsd", "relaxng"} if suffix == "xml" else {"json"}
    expected = set(fault.get("refused_by", everyone))
    assert expected == everyone or fault["because"]
    assert refusals(SCHEMA_OF[stem], suffix, broken(fault)) == expected


@pytest.mark.parametrize("stem", ["service_requests", "service_request_updates"])
@pytest.mark.parametrize(("length", "expected"), [(4000, set()), (4001, {"xsd", "relaxng"})])
def test_a_description_holds_4000_characters_in_xml(
    stem: str, length: int, expected: set[str], refusals: Judge
) -> None:
    """C-123: characters, not bytes."""
    root = etree.fromstring(golden(f"{stem}.xml"))
    root.findall("*/description")[0].text = "😀" * length
    assert refusals(SCHEMA_OF[stem], "xml", etree.tostring(root)) == expected


@pytest.mark.parametrize("stem", ["service_requests", "service_request_updates"])
@pytest.mark.parametrize(("length", "expected"), [(4000, set()), (4001, {"json"})])
def test_a_description_holds_4000_characters_in_json(
    stem: str, length: int, expected: set[str], refusals: Judge
) -> None:
    items = json.loads(golden(f"{stem}.json"))
    items[0]["description"] = "😀" * length
    assert refusals(SCHEMA_OF[stem], "json", json.dumps(items).encode()) == expected


@pytest.mark.parametrize("stem", ["service_requests", "service_requests_extended"])
@pytest.mark.parametrize(("count", "expected"), [(1000, set()), (1001, {"xsd"})])
def test_a_list_holds_1000_requests_in_xml(
    stem: str, count: int, expected: set[str], refusals: Judge
) -> None:
    """C-196; RelaxNG cannot count."""
    one = etree.tostring(etree.fromstring(golden(f"{stem}.xml"))[3])
    body = b"<service_requests>" + one * count + b"</service_requests>"
    assert refusals(SCHEMA_OF[stem], "xml", body) == expected


@pytest.mark.parametrize("stem", ["service_requests", "service_requests_extended"])
@pytest.mark.parametrize(("count", "expected"), [(1000, set()), (1001, {"json"})])
def test_a_list_holds_1000_requests_in_json(
    stem: str, count: int, expected: set[str], refusals: Judge
) -> None:
    one = json.loads(golden(f"{stem}.json"))[3]
    assert refusals(SCHEMA_OF[stem], "json", json.dumps([one] * count).encode()) == expected


@pytest.mark.parametrize(("count", "expected"), [(1000, set()), (1001, {"json"})])
def test_a_list_holds_1000_requests_in_geojson(
    count: int, expected: set[str], refusals: Judge
) -> None:
    collection = json.loads(golden("service_requests.geojson"))
    collection["features"] = collection["features"][:1] * count
    assert refusals("service_requests", "geojson", json.dumps(collection).encode()) == expected


def test_the_readme_and_the_faults_name_the_same_rules() -> None:
    """A rule that no fault breaks may be missing from the schemas."""
    readme = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([CXH]-\d+) \|", readme, flags=re.MULTILINE))
    assert rows == {fault["rule"] for fault in BROKEN} | {"C-123", "C-196"}
