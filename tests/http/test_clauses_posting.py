"""Clauses of GeoReport v2 about POST and tokens."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import spark
from tests.http.conftest import Endpoint, errors_of, multipart, refused, unique_text
from tests.schemas.conftest import refused_by

DUMP = {"service_code": "depot-sauvage", "attribute[HOWMANY]": "van"}
FORM = "application/x-www-form-urlencoded"


def test_c101_c102_c105_realtime_gives_an_id(endpoint: Endpoint, suffix: str) -> None:
    response = endpoint.post(suffix)
    assert response.status_code == 200
    assert not refused_by("receipt", suffix, response.data)
    (receipt,) = spark(response.data, suffix)
    assert re.fullmatch("[1-9][0-9]*", receipt["service_request_id"])
    assert "token" not in receipt
    assert receipt["service_notice"].startswith("Les rues sont nettoyées")  # C-137


def test_c101_c103_batch_gives_a_token(endpoint: Endpoint, suffix: str) -> None:
    response = endpoint.post(
        suffix, service_code="encombrants-rdv", **{"attribute[VOLUME_M3]": "2"}
    )
    assert not refused_by("receipt", suffix, response.data)
    (receipt,) = spark(response.data, suffix)
    assert "service_request_id" not in receipt
    assert re.fullmatch("[A-Za-z0-9_-]{22,}", receipt["token"])  # ≥ 128 bits, C-154
    token = receipt["token"]
    pending = endpoint.get(f"/tokens/{token}", suffix)  # C-150, C-152
    assert pending.status_code == 200
    assert not refused_by("token", suffix, pending.data)
    assert spark(pending.data, suffix) == [{"token": token}]


def test_c104_blackbox_gives_neither(endpoint: Endpoint, suffix: str) -> None:
    before = endpoint.world.count("service_request")
    when = {"attribute[WHEN]": "2026-11-15T23:00:00+01:00"}
    response = endpoint.post(suffix, service_code="bruit", account_id="compte-1", **when)
    assert response.status_code == 200
    assert not refused_by("receipt", suffix, response.data)
    (receipt,) = spark(response.data, suffix)
    assert set(receipt) == {"service_notice", "account_id"}
    assert receipt["account_id"] == "compte-1"  # C-137
    assert endpoint.world.count("service_request") == before + 1


def test_c151_an_unknown_token_is_404(endpoint: Endpoint, suffix: str) -> None:
    for token in ("nothing", "a" * 200, "é", "%00", "%0d%0a", "a%2fb", "'"):
        url = f"{endpoint.base}/tokens/{token}.{suffix}"
        refused(endpoint.world.client.get(url, query_string=endpoint.query), 404, suffix)


# --- refusals ----------------------------------------------------------------

NO_PLACE = dict.fromkeys(("lat", "long"))
REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("C-106 no service_code", {"service_code": None}, 400, "service_code"),
    ("C-107 unknown service_code", {"service_code": "nothing"}, 404, "service_code"),
    ("C-108 no location", NO_PLACE, 400, "lat"),
    ("C-109 lat without long", {"long": None}, 400, "long"),
    ("C-109 long without lat", {"lat": None}, 400, "lat"),
    ("C-109 half a place beside an address", {"long": "", "address_string": "ici"}, 400, "long"),
    ("C-112 lat over 90", {"lat": "91"}, 400, "lat"),
    ("C-112 long over 180", {"long": "-181"}, 400, "long"),
    ("C-112 not numeric", {"lat": "nord"}, 400, "lat"),
    ("C-112 NaN", {"lat": "NaN"}, 400, "lat"),
    ("C-113 zero is a value, outside", {"lat": "0", "long": "0"}, 400, "hors du territoire"),
    ("C-114 required attribute", {"service_code": "depot-sauvage"}, 400, "(HOWMANY required)"),
    ("C-115 unknown key", DUMP | {"attribute[HOWMANY]": "boat"}, 400, "HOWMANY"),
    ("C-119 two values for one", DUMP | {"attribute[HOWMANY]": ["van", "bag"]}, 400, "HOWMANY"),
    ("C-120 datetime", DUMP | {"attribute[SINCE]": "hier"}, 400, "SINCE"),
    (
        "C-120 number",
        {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "beaucoup"},
        400,
        "VOLUME_M3",
    ),
    ("C-123 4,001 characters", {"description": "é" * 4001}, 400, "description"),
    ("kind", {"kind": "insult"}, 400, "kind"),
    ("X-03 object id alone", {"service_object_id": "EP-1"}, 400, "service_object_id"),
]


@pytest.mark.parametrize(
    ("values", "status", "named"),
    [case[1:] for case in REFUSALS],
    ids=[case[0] for case in REFUSALS],
)
def test_what_is_wrong_is_refused_and_named(
    endpoint: Endpoint, suffix: str, values: dict[str, Any], status: int, named: str
) -> None:
    before = endpoint.world.count("service_request")
    refused(endpoint.post(suffix, **values), status, suffix, named)
    assert endpoint.world.count("service_request") == before


def test_c134_several_errors_are_told_together(endpoint: Endpoint, suffix: str) -> None:
    wrong = {"lat": "north", "description": "a" * 4001, "email": "e" * 300, "zipcode": "1" * 11}
    response = endpoint.post(suffix, **DUMP | wrong | {"attribute[HOWMANY]": "boat"})
    told = [error["description"] for error in errors_of(response, suffix)]
    assert response.status_code == 400
    for name in ("lat", "description", "email", "zipcode", "HOWMANY"):
        assert sum(text.startswith(name) for text in told) == 1, told


def test_c135_other_bodies_are_refused(endpoint: Endpoint, suffix: str) -> None:
    for kind in ("text/plain", "application/json", "text/xml", "image/png"):
        refused(endpoint.post_raw(b"{}", suffix, content_type=kind), 415, suffix, "Content-Type")
    refused(endpoint.post_raw(b"a=b", suffix, content_type=None), 400, suffix, "Content-Type")


def test_c136_a_body_over_the_limit_is_413(endpoint: Endpoint, suffix: str) -> None:
    limit = endpoint.world.app.config["MAX_CONTENT_LENGTH"]
    refused(endpoint.post_raw(b"a" * (limit + 1), suffix), 413, suffix)
    refused(endpoint.post_raw(b"a=" + b"b" * 2**20, suffix), 413, suffix)


def test_c136_a_long_multipart_text_is_judged_by_the_rules(endpoint: Endpoint, suffix: str) -> None:
    form = endpoint.right_form | {"description": "a" * 600_000}
    response = endpoint.world.client.post(f"{endpoint.base}/requests.{suffix}", **multipart(form))
    refused(response, 400, suffix, "description")


# --- what is accepted, and read back -----------------------------------------

ACCEPTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "C-110 address_string alone": (
        {**NO_PLACE, "address_string": "3 rue Sainte-Hélène"},
        {"address": "3 rue Sainte-Hélène", "lat": None, "long": None},
    ),
    "C-110 address_id alone": (NO_PLACE | {"address_id": "94037-1"}, {"address_id": "94037-1"}),
    "C-111 a position alone": ({}, {"lat": "48.813", "long": "2.3444"}),
    "D13 address_id of 30 digits": ({"address_id": "1" * 30}, {"address_id": "1" * 30}),
    "a French comma": ({"lat": "48,8131"}, {"lat": "48.8131"}),
    "alias address": (NO_PLACE | {"address": "ici"}, {"address": "ici"}),
    "D9 empty position, an address": (
        {"lat": "", "long": "", "address_string": "là"},
        {"address": "là", "lat": None},
    ),
    "C-115 a key": (DUMP, {"service_code": "depot-sauvage"}),
    "C-121 an unknown attribute": ({"attribute[NOTHING]": "x"}, {}),
    "C-122 a value for a mere text": (DUMP | {"attribute[DANGER_INFO]": "x"}, {}),
    "C-123 4,000 characters": ({"description": "é" * 4000}, {"description": "é" * 4000}),
    "C-123 counted after CRLF": (
        {"description": "é\r\n" * 2000},
        {"description": "é\n" * 2000},
    ),
    "C-123 4,000 emoji": ({"description": "😀" * 4000}, {"description": "😀" * 4000}),
    "C-124 HTML is text": ({"description": "<b>x</b>"}, {"description": "<b>x</b>"}),
    "C-125 line breaks": ({"description": "a\r\nb\nc\rd"}, {"description": "a\nb\nc\nd"}),
    "C-126 empty optional fields": (
        dict.fromkeys(("email", "phone", "first_name", "account_id", "media_url"), ""),
        {"media_url": None},
    ),
    "C-126 the word null": ({"description": "null", "zipcode": "null"}, {"description": None}),
    "C-128 UTF-8": ({"description": "é œ Œ € ’ 漢 😀"}, {"description": "é œ Œ € ’ 漢 😀"}),
    "C-129 media_url": (
        {"media_url": "https://photos.example.org/1.jpg?a=1&b=2"},
        {"media_url": "https://photos.example.org/1.jpg?a=1&b=2"},
    ),
    "C-194 a zipcode keeps its zero": ({"zipcode": "01000"}, {"zipcode": "01000"}),
    "C-020 control characters": (
        {"description": "a\x0bb\ufffe"},
        {"description": "a\ufffdb\ufffd"},
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_right_is_accepted_and_read_back(
    endpoint: Endpoint, suffix: str, case: str
) -> None:
    """C-100, C-132, C-133 as well."""
    values, expected = ACCEPTED[case]
    response = endpoint.post(suffix, **values)
    assert response.status_code == 200, response.get_data(as_text=True)
    (receipt,) = spark(response.data, suffix)
    found = endpoint.one(receipt["service_request_id"], suffix)
    for name, value in expected.items():
        assert (None if found[name] is None else str(found[name])) == value
    assert found["status"] == "open"
    now = endpoint.world.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found["requested_datetime"] == found["updated_datetime"] == now


SPELLINGS = {
    "C-116 brackets": "attribute[WHAT][]=furniture&attribute[WHAT][]=tyres",
    "C-117 repeated": "attribute[WHAT]=furniture&attribute[WHAT]=tyres",
    "C-118 encoded": "attribute%5BWHAT%5D%5B%5D=furniture&attribute%5bWHAT%5d%5B%5D=tyres",
    "by index": "attribute[WHAT][0]=furniture&attribute[WHAT][1]=tyres",
    "twice the same": "attribute[WHAT]=furniture&attribute[WHAT]=tyres&attribute[WHAT]=tyres",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_several_answers_have_many_spellings_and_one_meaning(
    endpoint: Endpoint, spelling: str
) -> None:
    right = endpoint.right.replace("proprete", "depot-sauvage")
    body = f"{right}&attribute[HOWMANY]=van&{SPELLINGS[spelling]}"
    response = endpoint.post_raw(body.encode())
    found = endpoint.one(response.json[0]["service_request_id"], extensions="true")
    given = [
        (answer["code"], answer["value"]) for answer in found["extended_attributes"]["attributes"]
    ]
    assert given == [("HOWMANY", "van"), ("WHAT", "furniture"), ("WHAT", "tyres")]


def test_c120_a_line_break_in_a_string_becomes_a_space(own: Endpoint) -> None:
    values = {"service_code": "batiment-public", "attribute[BUILDING]": "École\r\ndu Centre"}
    found = own.one(own.posted_id(**values), extensions="true")
    assert found["extended_attributes"]["attributes"][0]["value"] == "École du Centre"


@pytest.mark.parametrize("resource", ["/requests", "/requests/{id}", "/servicerequestupdates"])
def test_c127_reporter_data_are_in_no_answer(
    endpoint: Endpoint, suffix: str, resource: str
) -> None:
    fields = ("email", "phone", "first_name", "last_name", "device_id", "account_id")
    secrets = {name: f"canary-{name}-{unique_text()}" for name in fields} | {"phone": "0612345678"}
    id_ = endpoint.posted_id(**secrets)
    response = endpoint.get(resource.format(id=id_), suffix, extensions="true")
    text = response.get_data(as_text=True)
    assert id_ in text
    for value in secrets.values():
        assert value not in text


def test_c131_body_over_query(endpoint: Endpoint, suffix: str) -> None:
    url = f"{endpoint.base}/requests.{suffix}"
    query = {"api_key": "wrong", "description": "de l'adresse", "zipcode": "94250"}
    response = endpoint.world.client.post(
        url, data=f"{endpoint.right}&description=du+corps", query_string=query, content_type=FORM
    )
    (receipt,) = spark(response.data, suffix)
    found = endpoint.one(receipt["service_request_id"])
    assert (found["description"], found["zipcode"]) == ("du corps", "94250")


def test_a_post_may_stand_in_its_query_alone(endpoint: Endpoint, suffix: str) -> None:
    response = endpoint.world.client.post(f"{endpoint.base}/requests.{suffix}?{endpoint.right}")
    assert response.status_code == 200


def test_c019_a_post_to_doubled_slashes_is_not_redirected(endpoint: Endpoint, suffix: str) -> None:
    url = f"{endpoint.base}//requests.{suffix}"
    response = endpoint.world.client.post(url, data=endpoint.right, content_type=FORM)
    assert response.status_code == 200


def test_c138_c8_the_same_post_twice_is_two_requests(endpoint: Endpoint) -> None:
    text = unique_text()
    assert endpoint.posted_id(description=text) != endpoint.posted_id(description=text)


def test_b8_what_only_the_server_says_is_ignored(endpoint: Endpoint) -> None:
    pretended = {
        "status": "closed",
        "service_request_id": "7",
        "id": "7",
        "jurisdiction_key": "2",
        "requested_datetime": "2001-01-01",
        "agency_responsible": "moi",
        "is_public": "0",
        "is_staff": "true",
        "visibility": "public",
        "stage": "done",
        "service_name": "x",
    }
    found = endpoint.one(endpoint.posted_id(**pretended), extensions="true")
    text = json.dumps(found)
    assert found["status"] == "open"
    assert found["service_request_id"] != "7"
    assert found["service_name"] == "Rue, place ou trottoir sale"
    assert "moi" not in (found["agency_responsible"] or "")
    assert '"is_staff": false' in text
    assert "2001" not in text


@pytest.mark.parametrize("kind", ["report", "suggestion", "praise"])
def test_the_three_kinds_of_a_french_report(endpoint: Endpoint, kind: str) -> None:
    id_ = endpoint.posted_id(kind=kind.upper())
    assert endpoint.one(id_, extensions="true")["extended_attributes"]["kind"] == kind
    assert id_ in endpoint.ids(kind=kind)
    assert id_ not in endpoint.ids(kind=",".join({"report", "suggestion", "praise"} - {kind}))
