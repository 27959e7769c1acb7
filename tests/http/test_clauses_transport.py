"""Clauses of GeoReport v2 that reading alone shows: transport."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from lxml import etree

from open311.formats.spark import CHILD_OF
from tests.conftest import spark
from tests.http.conftest import SUFFIXES, Endpoint, plain, refused
from tests.schemas.conftest import refused_by

DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

#: Every kind of GET, and the schema of its answer; `{id}` and `{token}` are filled in.
RESOURCES = {
    "/services": "services",
    "/services/depot-sauvage": "service_definition",
    "/services/proprete": "service_definition",
    "/requests": "service_requests",
    "/requests/{id}": "service_requests",
    "/tokens/{token}": "token",
    "/servicerequestupdates": "service_request_updates",
    "/discovery": "discovery",
}
ROOTS = {"token": "service_requests"}
DATA = [resource for resource in RESOURCES if resource != "/discovery"]


def fetched(endpoint: Endpoint, resource: str, suffix: str, **query: Any) -> Any:
    """One resource of an endpoint that holds a request and a token."""
    id_, token = _made(endpoint)
    return endpoint.get(resource.format(id=id_, token=token), suffix, **query)


_known: dict[tuple[int, str], tuple[str, str]] = {}


def _made(endpoint: Endpoint) -> tuple[str, str]:
    place = (id(endpoint.world), endpoint.base)
    if place not in _known:
        id_ = endpoint.posted_id(description="Ligne 1\nLigne é œ Œ € ’ 漢 😀 <b>&</b>")
        batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1,5"}
        token = endpoint.post(**batch).json[0]["token"]
        _known[place] = (id_, token)
    return _known[place]


@pytest.mark.parametrize("resource", RESOURCES)
def test_c001_c002_every_resource_answers_in_the_asked_format(
    endpoint: Endpoint, suffix: str, resource: str
) -> None:
    """C-001, C-002, C-007, C-009 and all that the schemas state of shapes and types."""
    response = fetched(endpoint, resource, suffix)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert not refused_by(RESOURCES[resource], suffix, response.data)


@pytest.mark.parametrize("resource", RESOURCES)
def test_c003_c004_the_content_type_and_its_charset(
    endpoint: Endpoint, suffix: str, resource: str
) -> None:
    kind = {"xml": "text/xml", "json": "application/json"}[suffix]
    expected = kind if resource == "/discovery" else f"{kind}; charset=utf-8"
    assert fetched(endpoint, resource, suffix).headers["Content-Type"] == expected


@pytest.mark.parametrize("resource", RESOURCES)
def test_c005_to_c009_c020_xml_is_declared_plain_and_well_formed(
    endpoint: Endpoint, resource: str
) -> None:
    body = fetched(endpoint, resource, "xml").data
    assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    assert b"<!DOCTYPE" not in body
    assert b"<!ENTITY" not in body
    assert b"\r" not in body
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring(body, parser)
    assert root.tag == ROOTS.get(RESOURCES[resource], RESOURCES[resource])
    assert not root.attrib
    for element in root.iter():
        assert ":" not in str(element.tag)
        assert "{" not in str(element.tag)
        assert not element.attrib


@pytest.mark.parametrize("resource", RESOURCES)
def test_c006_json_is_strict_utf8_without_a_mark(endpoint: Endpoint, resource: str) -> None:
    body = fetched(endpoint, resource, "json").data
    assert not body.startswith(b"\xef\xbb\xbf")
    json.loads(body.decode("utf-8"))


@pytest.mark.parametrize("resource", DATA)
def test_c011_c012_c013_datetimes_are_whole_seconds_in_utc(
    endpoint: Endpoint, resource: str
) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name.endswith("datetime") and isinstance(inner, str) and name != "datatype":
                    assert DATETIME.fullmatch(inner), (name, inner)
                    datetime.fromisoformat(inner)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    if "services" not in resource:  # there, a datetime may be a text's subject
        walk(fetched(endpoint, resource, "json", extensions="true").json)


@pytest.mark.parametrize(
    "query",
    [{"status": ""}, {"start_date": ""}, {"service_request_id": ""}, {"page": ""}, {"bbox": ""}],
    ids=str,
)
def test_c014_an_empty_parameter_is_no_parameter(
    own: Endpoint, suffix: str, query: dict[str, str]
) -> None:
    _made(own)
    assert own.get("/requests", suffix, **query).data == own.get("/requests", suffix).data


@pytest.mark.parametrize("resource", RESOURCES)
def test_c015_unknown_parameters_are_ignored(
    endpoint: Endpoint, suffix: str, resource: str
) -> None:
    odd = {"foo": "bar", "format": "xml", "callback": "x", "é": "ü"}
    with_them = fetched(endpoint, resource, suffix, **odd)
    assert with_them.data == fetched(endpoint, resource, suffix).data


@pytest.mark.parametrize("accept", ["image/png", "application/xml", "text/html", "*/*;q=0"])
@pytest.mark.parametrize("resource", RESOURCES)
def test_c016_the_suffix_wins_over_accept(
    own: Endpoint, suffix: str, resource: str, accept: str
) -> None:
    response = fetched(own, resource, suffix, headers={"Accept": accept})
    assert response.status_code == 200
    assert suffix in response.mimetype


@pytest.mark.parametrize(
    ("path", "answered_in"),
    [
        ("/services.foo", "xml"),
        ("/services", "xml"),
        ("/requests", "xml"),
        ("/nothing.json", "json"),
        ("/nothing.xml", "xml"),
        ("/nothing.geojson", "json"),
        ("/requests/.json", "json"),
        ("/services/a/b.json", "json"),
        ("/requests/1.txt", "xml"),
        ("", "xml"),
        ("/", "xml"),
    ],
)
def test_c018_c238_an_unknown_path_or_suffix_is_a_404_with_an_error_body(
    own: Endpoint, path: str, answered_in: str
) -> None:
    refused(own.world.client.get(own.base + path), 404, answered_in)


@pytest.mark.parametrize("path", ["//services", "///services", "//services//depot-sauvage"])
def test_c019_doubled_slashes_do_not_redirect(own: Endpoint, suffix: str, path: str) -> None:
    response = own.world.client.get(f"{own.base}{path}.{suffix}")
    assert response.status_code == 200


def test_c019_percent_encoded_paths_are_the_same_paths(own: Endpoint, suffix: str) -> None:
    encoded = own.base.replace(".", "%2E").replace("v2", "%762")
    response = own.world.client.get(f"{encoded}/services/d%65pot%2Dsauvage.{suffix}")
    assert response.status_code == 200


@pytest.mark.parametrize("resource", RESOURCES)
def test_c022_xml_and_json_carry_the_same(endpoint: Endpoint, resource: str) -> None:
    from_xml = spark(fetched(endpoint, resource, "xml").data, "xml")
    from_json = plain(fetched(endpoint, resource, "json").json)
    assert from_xml == _without_unknown_dates(from_json)


def _without_unknown_dates(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_unknown_dates(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    gone = ("expected_datetime", "detailed_status_datetime")
    return {
        name: _without_unknown_dates(inner)
        for name, inner in value.items()
        if not (name in gone and inner is None)
    }


@pytest.mark.parametrize("resource", RESOURCES)
def test_c026_any_browser_page_may_read(endpoint: Endpoint, suffix: str, resource: str) -> None:
    assert fetched(endpoint, resource, suffix).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/requests", "/servicerequestupdates", "/services"])
def test_c026_a_browser_that_asks_first_is_answered(own: Endpoint, suffix: str, path: str) -> None:
    response = own.world.client.options(
        f"{own.base}{path}.{suffix}",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 200
    methods = set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"GET", "HEAD", "OPTIONS"} <= methods
    assert ("POST" in methods) == (path != "/services")
    assert "Idempotency-Key" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("resource", RESOURCES)
def test_c028_head_answers_like_get_without_the_body(
    own: Endpoint, suffix: str, resource: str
) -> None:
    got = fetched(own, resource, suffix)
    path = resource.format(id=_made(own)[0], token=_made(own)[1])
    head = own.world.client.head(f"{own.base}{path}.{suffix}")
    assert head.status_code == 200
    assert head.data == b""
    assert dict(head.headers) == dict(got.headers)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "FOO"])
@pytest.mark.parametrize("resource", RESOURCES)
def test_c029_other_methods_are_405_with_allow(
    own: Endpoint, suffix: str, resource: str, method: str
) -> None:
    path = resource.format(id=_made(own)[0], token=_made(own)[1])
    response = own.world.client.open(f"{own.base}{path}.{suffix}", method=method)
    refused(response, 405, suffix)
    posts = resource in ("/requests", "/servicerequestupdates")
    allowed = {"GET", "HEAD", "OPTIONS"} | ({"POST"} if posts else set())
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_every_container_of_the_wire_is_known_to_the_reader_of_these_tests() -> None:
    from tests.conftest import _CONTAINERS

    assert set(CHILD_OF) == _CONTAINERS
    assert SUFFIXES == ("xml", "json")
