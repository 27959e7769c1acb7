"""Clauses of GeoReport v2 about discovery, the service list and service definitions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import PUBLIC_URL, World, spark
from tests.http.conftest import Endpoint, plain, refused
from tests.schemas.conftest import refused_by

DISCOVERIES = [
    f"/open311{where}{level}"
    for where in ("", "/gentilly.fr", "/test", "/gentilly.fr/test")
    for level in ("/discovery", "/v2/discovery")
]


@pytest.mark.parametrize("path", DISCOVERIES)
def test_c030_to_c040_discovery_beside_and_below_every_root(
    shared: World, suffix: str, path: str
) -> None:
    response = shared.client.get(f"{path}.{suffix}")
    assert response.status_code == 200
    assert not refused_by("discovery", suffix, response.data)
    found = spark(response.data, suffix)
    assert all(found[name] for name in ("changeset", "contact", "key_service"))
    types = [each["type"] for each in found["endpoints"]]
    assert types == ["production", "test"]
    for each in found["endpoints"]:
        assert each["specification"] == "http://wiki.open311.org/GeoReport_v2"
        assert each["formats"] == ["text/xml", "application/json"]
        assert datetime.fromisoformat(each["changeset"]) <= shared.clock.now
        assert not each["url"].endswith("/")


@pytest.mark.parametrize("path", DISCOVERIES)
def test_c036_the_addresses_of_discovery_answer(shared: World, suffix: str, path: str) -> None:
    for each in shared.client.get(f"{path}.json").json["endpoints"]:
        url = each["url"].removeprefix(PUBLIC_URL)
        named = {} if "gentilly" in url else {"jurisdiction_id": "gentilly.fr"}
        response = shared.client.get(f"{url}/services.{suffix}", query_string=named)
        assert response.status_code == 200


def test_discovery_of_an_unknown_jurisdiction_is_404(shared: World, suffix: str) -> None:
    for level in ("discovery", "v2/discovery"):
        refused(shared.client.get(f"/open311/atlantis/{level}.{suffix}"), 404, suffix, "atlantis")


def services_of(endpoint: Endpoint, suffix: str = "json", **query: Any) -> list[dict[str, Any]]:
    found = spark(endpoint.get("/services", suffix, **query).data, suffix)
    assert isinstance(found, list)
    return found


def test_c060_to_c069_the_service_list(endpoint: Endpoint, suffix: str) -> None:
    found = services_of(endpoint, suffix)
    assert found
    codes = [service["service_code"] for service in found]
    assert len(set(codes)) == len(codes)
    for service in found:
        assert re.fullmatch("[A-Za-z0-9_-]{1,64}", service["service_code"])
        assert service["service_name"]
        assert service["description"]
        assert service["metadata"] in {"xml": ("true", "false"), "json": (True, False)}[suffix]
        assert service["type"] in ("realtime", "batch", "blackbox")
        assert set(service) >= {"keywords", "group"}
        assert isinstance(service["keywords"], str)
        words = service["keywords"].split(",")
        assert words == [word.strip() for word in words]
        assert not {"private", "inactive", "staff", "waste_only"} & set(words)
    assert services_of(endpoint, suffix) == found


def test_c075_to_c087_every_definition(endpoint: Endpoint, suffix: str) -> None:
    datatypes = set()
    for service in services_of(endpoint, suffix):
        response = endpoint.get(f"/services/{service['service_code']}", suffix)
        assert response.status_code == 200  # C-075, C-085
        assert not refused_by("service_definition", suffix, response.data)
        definition = spark(response.data, suffix)
        assert definition["service_code"] == service["service_code"]
        attributes = definition["attributes"] or []
        assert (plain(service["metadata"]) == "true") == bool(attributes)  # C-087
        codes = [attribute["code"] for attribute in attributes]
        assert len(set(codes)) == len(codes)
        orders = [int(attribute["order"]) for attribute in attributes]
        assert orders == list(range(1, len(orders) + 1))
        for attribute in attributes:
            datatypes.add(attribute["datatype"])
            _check_attribute(attribute)
    assert datatypes == {
        *("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
    }


def _check_attribute(attribute: dict[str, Any]) -> None:
    assert plain(attribute["variable"]) in ("true", "false")
    assert plain(attribute["required"]) in ("true", "false")
    assert attribute["description"]
    assert "datatype_description" in attribute
    if plain(attribute["variable"]) == "false":
        assert plain(attribute["required"]) == "false"  # C-086
    is_list = attribute["datatype"].endswith("valuelist")
    assert ("values" in attribute) == is_list  # C-082
    keys = [value["key"] for value in attribute.get("values", ())]
    assert len(set(keys)) == len(keys)
    assert bool(keys) == is_list
    assert all(value["name"] for value in attribute.get("values", ()))


@pytest.mark.parametrize("code", ["inconnu", "PROPRETE", "ｐroprete", "pr\u043eprete", "proprete "])
def test_c084_an_unknown_code_is_404(endpoint: Endpoint, suffix: str, code: str) -> None:
    refused(endpoint.get(f"/services/{code}", suffix), 404, suffix, "service_code")


def test_c070_x07_services_at_a_place(own: Endpoint, suffix: str) -> None:
    inside = services_of(own, suffix, lat="48.8130", long="2.3444")
    assert inside == services_of(own, suffix)
    response = own.get("/services", suffix, lat="48.8370", long="2.4830")
    assert response.status_code == 200
    assert spark(response.data, suffix) == []
    assert not refused_by("services", suffix, response.data)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"lat": "48.8"}, "lat"),
        ({"long": "2.3"}, "lat"),
        ({"lat": "nord", "long": "2.3"}, "lat"),
        ({"lat": "91", "long": "2.3"}, "lat"),
    ],
)
def test_x07_half_a_place_or_none_is_refused(
    own: Endpoint, suffix: str, query: dict[str, str], named: str
) -> None:
    refused(own.get("/services", suffix, **query), 400, suffix, named)


def test_x17_the_locale_chooses_the_names(own: Endpoint, suffix: str) -> None:
    def name(**asked: Any) -> str:
        (service,) = (
            service
            for service in services_of(own, suffix, **asked)
            if service["service_code"] == "proprete"
        )
        return str(service["service_name"])

    french, english = name(), name(locale="en")
    assert french != english
    assert english == name(locale="en_GB") == name(headers={"Accept-Language": "en-GB,fr;q=0.5"})
    assert french == name(locale="de") == name(headers={"Accept-Language": "de"})
    assert french == name(locale="fr", headers={"Accept-Language": "en"})
    response = own.get("/services", suffix)
    assert "Accept-Language" in response.headers["Vary"]
    definition = own.get("/services/depot-sauvage", suffix, locale="en").get_data(as_text=True)
    assert "How big is the dump?" in definition
