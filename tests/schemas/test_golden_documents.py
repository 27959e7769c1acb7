"""The golden documents keep the writing conventions, and each pair says one thing.

The XML is read by the Spark rules (the Open311 project's XML to JSON conversion):
the root is dropped, a container becomes an array, an empty leaf null. The reader here
is written from these rules, not from the server's renderers, which it helps to judge.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

GOLDEN = Path(__file__).parents[2] / "fixtures" / "georeport"
SOURCE: dict[str, Any] = json.loads((GOLDEN / "source.json").read_text(encoding="utf-8"))
SECTIONS = {
    stem: section
    for section, documents in SOURCE.items()
    if section not in ("about", "requests")
    for stem in documents
}
REQUEST_LISTS = [stem for stem, section in SECTIONS.items() if "service_requests" in section]
REQUESTS = {request["service_request_id"]: request for request in SOURCE["requests"]}
PATHS = sorted(path for path in GOLDEN.iterdir() if path.stem in SECTIONS)

#: GeoReport's field tables, in their order.
REQUEST_FIELDS = (
    *("service_request_id", "status", "status_notes", "service_name", "service_code"),
    *("description", "agency_responsible", "service_notice", "requested_datetime"),
    *("updated_datetime", "expected_datetime", "address", "address_id", "zipcode"),
    *("lat", "long", "media_url"),
)
EXTENDED_ATTRIBUTES = (
    *("title", "detailed_status", "detailed_status_datetime", "kind", "is_staff"),
    *("service_object_id", "service_object_type", "duplicate", "parent_service_request_id"),
    *("channel", "media_urls", "attributes", "notes"),
)

ARRAYS = {"attributes", "values", "endpoints", "formats", "media_urls", "notes"}
OBJECT_ROOTS = {"discovery", "service_definition"}
LEFT_OUT_WHILE_UNKNOWN = {"expected_datetime", "detailed_status_datetime"}
LEAVES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("metadata", "variable", "required", "is_staff", "duplicate"), json.loads),
    **dict.fromkeys(("lat", "long"), float),
    "order": int,
}


def read_spark(root: etree._Element) -> Any:
    """What the JSON twin of an XML document must hold."""
    if root.tag in OBJECT_ROOTS:
        return read_object(root)
    return [read_object(child) for child in root]


def read_object(element: etree._Element) -> dict[str, Any]:
    """The children by name; of a repeated one (the photos of an update) the first stands."""
    found: dict[str, Any] = {}
    for child in element:
        found.setdefault(str(child.tag), read_value(child, inside=str(element.tag)))
    return found


def read_value(element: etree._Element, inside: str) -> Any:
    name = str(element.tag)
    if name in ARRAYS:
        return [read_value(child, inside=name) for child in element]
    if len(element):
        return read_object(element)
    if element.text is None:
        return None
    if (inside, name) == ("error", "code"):
        return int(element.text)
    return LEAVES.get(name, str)(element.text)


def without_unknown_dates(value: Any) -> Any:
    """The JSON as XML shows it: a date is left out while unknown."""
    if isinstance(value, list):
        return [without_unknown_dates(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_unknown_dates(item)
        for key, item in value.items()
        if item is not None or key not in LEFT_OUT_WHILE_UNKNOWN
    }


def written(value: Any) -> str:
    """JSON as the server writes it; as a string, so that order and types count."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def expected(stem: str) -> Any:
    """The JSON document that the source asks for."""
    section = SECTIONS[stem]
    value = SOURCE[section][stem]
    if stem in REQUEST_LISTS:
        return [request_object(REQUESTS[key], "extended" in section) for key in value]
    if section == "services":
        return [{**item, "keywords": ",".join(item["keywords"]) or None} for item in value]
    if section == "service_request_updates":
        return [with_first_photo(update) for update in value]
    return [value] if section in ("receipt", "token", "update_receipt") else value


def request_object(request: dict[str, Any], extended: bool) -> dict[str, Any]:
    shown = with_first_photo(request)
    core = {name: shown[name] for name in REQUEST_FIELDS}
    if not extended:
        return core
    return {**core, "extended_attributes": {name: request[name] for name in EXTENDED_ATTRIBUTES}}


def with_first_photo(source: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in source.items() if key != "media_urls"}
    return {**rest, "media_url": next(iter(source["media_urls"]), None)}


def feature(request: dict[str, Any]) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [request["long"], request["lat"]]}
    return {
        "type": "Feature",
        "id": request["service_request_id"],
        "geometry": None if request["lat"] is None else place,
        "properties": request,
    }


def test_every_document_of_the_source_exists_and_no_other() -> None:
    asked = {f"{stem}.{suffix}" for stem in SECTIONS for suffix in ("xml", "json")}
    asked |= {f"{stem}.geojson" for stem in REQUEST_LISTS}
    assert {path.name for path in GOLDEN.iterdir()} - {"source.json", "README.md"} == asked


@pytest.mark.parametrize("stem", SECTIONS)
def test_the_json_is_the_source_in_compact_utf8(stem: str) -> None:
    assert (GOLDEN / f"{stem}.json").read_bytes() == written(expected(stem)).encode()


@pytest.mark.parametrize("stem", REQUEST_LISTS)
def test_the_geojson_is_the_source_with_longitude_first(stem: str) -> None:
    collection = {"type": "FeatureCollection", "features": [feature(r) for r in expected(stem)]}
    assert (GOLDEN / f"{stem}.geojson").read_bytes() == written(collection).encode()


@pytest.mark.parametrize("stem", SECTIONS)
def test_the_xml_says_what_the_json_says_in_the_same_order(stem: str) -> None:
    xml = etree.fromstring((GOLDEN / f"{stem}.xml").read_bytes())
    said = json.loads((GOLDEN / f"{stem}.json").read_bytes())
    assert written(read_spark(xml)) == written(without_unknown_dates(said))


@pytest.mark.parametrize("stem", SECTIONS)
def test_the_xml_is_written_as_lxml_writes_it_after_our_declaration(stem: str) -> None:
    """Compact, self-closed when empty, `& < >` escaped, no final line end."""
    body = (GOLDEN / f"{stem}.xml").read_bytes()
    declaration = b'<?xml version="1.0" encoding="utf-8"?>\n'
    assert body == declaration + etree.tostring(etree.fromstring(body), encoding="unicode").encode()
    assert not any(e.text and not e.text.strip() for e in etree.fromstring(body).iter())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_document_carries_a_mark_a_carriage_return_or_a_doctype(path: Path) -> None:
    body = path.read_bytes()
    assert not body.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in body
    assert b"<!DOCTYPE" not in body


def test_xml_carries_every_photo_of_an_update_and_one_empty_element_without() -> None:
    xml = etree.parse(GOLDEN / "service_request_updates.xml")
    for element in xml.iterfind("request_update"):
        update = next(
            update
            for update in SOURCE["service_request_updates"]["service_request_updates"]
            if update["update_id"] == element.findtext("update_id")
        )
        shown = [photo.text for photo in element.iterfind("media_url")]
        assert shown == (update["media_urls"] or [None])


@pytest.mark.parametrize("stem", REQUEST_LISTS)
def test_degrees_are_plain_decimals_in_xml(stem: str) -> None:
    xml = etree.parse(GOLDEN / f"{stem}.xml")
    for element in xml.iterfind(".//request/*"):
        if element.tag in ("lat", "long") and element.text:
            assert re.fullmatch(r"-?[0-9]+\.[0-9]{1,7}", element.text)


def test_lists_come_newest_first() -> None:
    """C-186."""
    for stem in REQUEST_LISTS:
        dates = [request["requested_datetime"] for request in expected(stem)]
        assert dates == sorted(dates, reverse=True)


def test_services_have_metadata_exactly_when_their_definition_asks_something() -> None:
    """C-087."""
    for definition in SOURCE["service_definition"].values():
        service = next(
            service
            for service in SOURCE["services"]["services"]
            if service["service_code"] == definition["service_code"]
        )
        assert service["metadata"] is bool(definition["attributes"])


def test_the_definition_shows_the_six_datatypes_and_a_text_that_is_only_shown() -> None:
    attributes = SOURCE["service_definition"]["service_definition"]["attributes"]
    assert {attribute["datatype"] for attribute in attributes} == {
        *("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
    }
    assert {attribute["variable"] for attribute in attributes} == {True, False}
    assert [attribute["order"] for attribute in attributes] == list(range(1, len(attributes) + 1))
