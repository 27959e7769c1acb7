"""Clients from the index, unchanged, against a server that was really started.

What each needs to be used at all is in its fixture, and is its own affair: nothing of
it is about our server.
"""

from __future__ import annotations

import io
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from civicbot.http import HttpError, HttpTransport, RateLimiter
from civicbot.open311 import Open311Client
from civicbot.registry import Endpoint
from georeport import GeoReport
from PIL import Image

from tests.acceptance.conftest import FIXTURES, JURISDICTION_ID, LAT, LONG, City

pytestmark = pytest.mark.acceptance

PHOTO = FIXTURES / "photos" / "depot-sauvage.jpg"
GUARD_S = 30.0


@pytest.fixture
def civicbot(city: City) -> Open311Client:
    """civicbot: its list of endpoints does not know us, and it would wait between calls."""
    endpoint = Endpoint("gentilly", "Gentilly", city.base, write=True)
    transport = HttpTransport(rate_limiter=RateLimiter(0.0))
    return Open311Client(endpoint, transport, jurisdiction_id=JURISDICTION_ID)


@pytest.fixture
def three(city: City, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """three: was written for Python 2, whose itertools had ifilter."""
    monkeypatch.setattr(itertools, "ifilter", filter, raising=False)
    from three import Three

    client = Three(city.base, api_key=city.key, jurisdiction=JURISDICTION_ID)
    yield client
    client.session.close()


@pytest.fixture(params=["json", "xml"])
def georeport(request: pytest.FixtureRequest, city: City) -> GeoReport:
    return GeoReport(city.base, jurisdiction=JURISDICTION_ID, output_format=request.param)


def sent_by(civicbot: Open311Client, city: City, service_code: str, **values: Any) -> Any:
    """What civicbot is answered when it sends a request, checked by itself first."""
    prepared = civicbot.create_request(
        service_code,
        lat=LAT,
        lng=LONG,
        api_key=city.key,
        validate_remote=True,
        dry_run=False,
        confirm="SEND",
        **values,
    )
    return prepared.response[0]


def awaited(ask: Callable[[], Any]) -> Any:
    """The first of the answers to a token that has an id in it."""
    deadline = time.monotonic() + GUARD_S
    while time.monotonic() < deadline:
        (answer,) = ask()
        if answer.get("service_request_id"):
            return answer
        time.sleep(0.1)
    raise AssertionError("the token never became an id")


def test_georeport_reads_services_a_definition_and_requests(
    georeport: GeoReport, civicbot: Open311Client, city: City
) -> None:
    text = f"Relu par georeport, {uuid.uuid4()}"
    first, _ = (
        sent_by(civicbot, city, "proprete", description=each)["service_request_id"]
        for each in (text, "Un autre")
    )

    codes = {each["service_code"] for each in georeport.get_service_list()}
    assert {"proprete", "depot-sauvage", "encombrants-rdv"} <= codes
    definition = georeport.get_service_definition("depot-sauvage")
    assert definition["service_code"] == "depot-sauvage"
    listed = georeport.get_service_requests(service_code="proprete", status="open")
    assert text in {each["description"] for each in listed}
    assert georeport.get_service_request(first)["description"] == text


def test_civicbot_sends_attributes_and_reads_its_request_back(
    civicbot: Open311Client, city: City
) -> None:
    text = f"Matelas « près du banc », {uuid.uuid4()}"
    receipt = sent_by(
        civicbot,
        city,
        "depot-sauvage",
        description=text,
        attributes={"HOWMANY": "van", "WHAT": ["furniture", "rubble"]},
        email="camille@example.org",
    )
    assert receipt["service_notice"]
    request = civicbot.get_request(receipt["service_request_id"])
    assert request is not None
    assert request["description"] == text
    assert (request["lat"], request["long"]) == (LAT, LONG)
    assert "email" not in request
    listed = civicbot.list_requests(service_request_ids=[receipt["service_request_id"]])
    assert listed == [request]


def test_civicbot_polls_a_batch_token_until_it_is_an_id(
    civicbot: Open311Client, city: City
) -> None:
    receipt = sent_by(
        civicbot, city, "encombrants-rdv", description="Canapé", attributes={"VOLUME_M3": "1,5"}
    )
    assert "service_request_id" not in receipt
    answer = awaited(lambda: civicbot.get_token(receipt["token"]))
    request = civicbot.get_request(answer["service_request_id"])
    assert request is not None
    assert request["description"] == "Canapé"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"service_code": "depot-sauvage"}, 400, "HOWMANY required"),
        ({"service_code": "proprete", "api_key": "wrong"}, 403, "403"),
        ({"service_code": "nothing"}, 404, "nothing"),
    ],
)
def test_civicbot_is_told_what_was_wrong(
    civicbot: Open311Client, city: City, sent: dict[str, str], status: int, said: str
) -> None:
    with pytest.raises(HttpError) as refused:
        civicbot.create_request(
            **({"api_key": city.key} | sent), lat=LAT, lng=LONG, dry_run=False, confirm="SEND"
        )
    assert refused.value.status == status
    assert said in refused.value.body


def test_three_sends_a_photo_with_attributes_and_reads_it_back(three: Any) -> None:
    assert {each["service_code"] for each in three.services()} > {"depot-sauvage"}
    definition = three.services("depot-sauvage")
    assert "HOWMANY" in [each["code"] for each in definition["attributes"]]

    with PHOTO.open("rb") as photo:
        (receipt,) = three.post(
            "depot-sauvage",
            lat=LAT,
            long=LONG,
            name="Camille Martin",
            description="Sacs éventrés",
            media=photo,
            **{"attribute[HOWMANY]": "bag", "attribute[WHAT]": ["tyres", "household"]},
        )
    (request,) = three.request(receipt["service_request_id"])
    assert request["description"] == "Sacs éventrés"
    assert "Camille" not in str(request)
    with urlopen(request["media_url"], timeout=GUARD_S) as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(response.read())) as image:
            assert image.format == "JPEG"
            assert not image.getexif()


def test_three_finds_requests_tokens_and_the_discovery_document(three: Any) -> None:
    (receipt,) = three.post("encombrants-rdv", lat=LAT, long=LONG, **{"attribute[VOLUME_M3]": "2"})
    answer = awaited(lambda: three.token(receipt["token"]))
    listed = three.requests("encombrants-rdv", count=1000)
    assert answer["service_request_id"] in {each["service_request_id"] for each in listed}
    endpoints = three.discovery()["endpoints"]
    assert endpoints[0]["specification"] == "http://wiki.open311.org/GeoReport_v2"
    assert [each["type"] for each in endpoints][:2] == ["production", "test"]


def test_three_is_told_what_was_wrong(three: Any) -> None:
    (error,) = three.post("depot-sauvage", lat=LAT, long=LONG)
    assert three.post_response.status_code == error["code"] == 400
    assert error["description"].endswith("(HOWMANY required)")


def test_a_client_that_knows_no_jurisdictions_uses_the_citys_own_base(city: City) -> None:
    client = GeoReport(city.own_base)
    assert (
        client.get_service_list()
        == GeoReport(city.base, jurisdiction=JURISDICTION_ID).get_service_list()
    )
