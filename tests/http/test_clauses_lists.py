"""Clauses of GeoReport v2 about lists of requests and about one request."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from open311.domain.status import Stage, Visibility
from open311.operations.follow_up import Step, set_visibility, take_step
from tests.conftest import PUBLIC_URL, World, spark
from tests.http.conftest import Endpoint, endpoint_of, errors_of, plain, refused
from tests.schemas.conftest import refused_by


def at(day: str) -> datetime:
    return datetime.fromisoformat(day + ":00Z")


#: What the world of this module holds: when each was reported, and what of it.
STORY: dict[str, tuple[str, dict[str, Any]]] = {
    "old": ("2026-01-05T10:00", {"description": "très vieux"}),
    "edge": ("2026-08-18T09:30", {}),  # 90 days before now, to the second
    "summer": ("2026-09-01T08:00", {"service_code": "animal", "kind": "praise"}),
    "dump": (
        "2026-10-01T08:00",
        {"service_code": "depot-sauvage", "attribute[HOWMANY]": "van", "title": "Éviers cassés"},
    ),
    "north": ("2026-10-02T08:00", {"lat": "48.8155", "long": "2.3444", "kind": "suggestion"}),
    "text": ("2026-10-03T08:00", {"description": "Un GRAND trou_100% béant", "lat": "48.8131"}),
    "place": (
        "2026-10-04T08:00",
        {"lat": None, "long": None, "address_string": "1 rue des Évêques"},
    ),
    "closed": ("2026-11-01T08:00", {"service_code": "animal"}),
    "staff": ("2026-11-02T08:00", {}),
    "pending": ("2026-11-03T08:00", {"service_code": "tag", "description": "SECRET"}),
    "rejected": ("2026-11-04T08:00", {}),
    "spam": ("2026-11-05T08:00", {}),
    "blackbox": ("2026-11-06T08:00", {"service_code": "bruit", "attribute[WHEN]": "2026-11-05"}),
    "twin a": ("2026-11-07T08:00", {}),
    "twin b": ("2026-11-07T08:00", {}),
}
HIDDEN = {"pending", "rejected", "spam", "blackbox"}
IN_WINDOW = [name for name in reversed(STORY) if name not in HIDDEN | {"old"}]


@pytest.fixture(scope="module")
def told(shared: World) -> dict[str, str]:
    """The story, told to the production side of Gentilly: id by name."""
    endpoint = endpoint_of(shared, "own")
    here = {"side": shared.side(), "public_url": PUBLIC_URL}
    ids = {}
    for name, (when, values) in STORY.items():
        shared.clock.now = at(when)
        key = {"api_key": shared.staff_key} if name == "staff" else {}
        response = endpoint.post(**values | key)
        assert response.status_code == 200, response.get_data(as_text=True)
        found = shared.database.first("SELECT max(service_request_id) FROM service_request")
        assert found is not None
        ids[name] = str(found[0])
    shared.clock.now = at("2026-11-10T12:00")
    for name in ("rejected", "spam"):
        shared.database.write(
            lambda connection, name=name: set_visibility(  # type: ignore[misc]
                connection,
                service_request_id=int(ids[name]),
                visibility=Visibility(name),
                now=shared.clock.now,
                **here,
            )
        )
    shared.database.write(
        lambda connection: take_step(
            connection,
            service_request_id=int(ids["closed"]),
            step=Step(Stage.DONE, note="Le chat est rentré."),
            now=shared.clock.now,
            **here,
        )
    )
    shared.clock.now = at("2026-11-16T09:30")
    return ids


@pytest.fixture
def names(own: Endpoint, told: dict[str, str]) -> Callable[..., list[str]]:
    """The names of the requests that a list holds, in its order."""
    name_of = {id_: name for name, id_ in told.items()}
    return lambda **query: [name_of[id_] for id_ in own.ids(**query)]


@pytest.fixture(params=["multi", "own"])
def door(request: pytest.FixtureRequest, shared: World) -> Endpoint:
    return endpoint_of(shared, request.param)


Names = Callable[..., list[str]]


def test_c170_c186_c192_the_last_90_days_newest_first_of_what_is_public(names: Names) -> None:
    assert names() == IN_WINDOW
    assert names() == IN_WINDOW


def test_c171_c172_ids_override_everything(names: Names, told: dict[str, str]) -> None:
    asked = ",".join([told["old"], "999999", told["closed"], told["pending"], told["spam"], "x"])
    assert names(service_request_id=asked) == ["closed", "old"]
    against = {"status": "open", "start_date": "2026-11-15", "service_code": "tag", "q": "rien"}
    assert names(service_request_id=asked, **against) == ["closed", "old"]
    more = {"page": "3", "page_size": "1", "kind": "praise", "cursor": "0", "bbox": "0,0,1,1"}
    assert names(service_request_id=asked, **more) == ["closed", "old"]
    assert names(service_request_id=[told["old"], f" {told['closed']} "]) == ["closed", "old"]
    assert names(service_request_id="0,-1,²,1e3,abc") == []


FILTERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("C-173 one code", {"service_code": "animal"}, ["closed", "summer"]),
    ("C-173 codes", {"service_code": "animal,depot-sauvage"}, ["closed", "dump", "summer"]),
    ("C-185 spaces", {"service_code": " animal , depot-sauvage "}, ["closed", "dump", "summer"]),
    ("C-185 repeated", {"service_code": ["animal", "depot-sauvage"]}, ["closed", "dump", "summer"]),
    ("C-184 unknown code", {"service_code": "nothing"}, []),
    ("C-174 closed", {"status": "closed"}, ["closed"]),
    ("C-174 both", {"status": "open,closed"}, IN_WINDOW),
    ("C5 both, repeated", {"status": ["open", "closed"]}, IN_WINDOW),
    ("C-182 case", {"status": "CLOSED"}, ["closed"]),
    (
        "C-175 both ends included",
        {"start_date": "2026-10-01T08:00:00Z", "end_date": "2026-10-02T08:00:00Z"},
        ["north", "dump"],
    ),
    (
        "C-175 a second less",
        {"start_date": "2026-10-01T08:00:01Z", "end_date": "2026-10-02T07:59:59Z"},
        [],
    ),
    (
        "C-176 another offset",
        {"start_date": "2026-10-01T10:00:00+02:00", "end_date": "2026-10-02T10:00:00+02:00"},
        ["north", "dump"],
    ),
    (
        "C-181 a lost plus, fractions",
        {"start_date": "2026-10-01T10:00:00.500 02:00", "end_date": "2026-10-02 10:00:00.5 0200"},
        ["north", "dump"],  # nothing here is finer than a second
    ),
    (
        "C-181 local time without a zone",
        {"start_date": "2026-10-01T10:00", "end_date": "2026-10-02T10:00"},
        ["north", "dump"],
    ),
    ("C-181 dates", {"start_date": "2026-10-01", "end_date": "2026-10-02"}, ["north", "dump"]),
    (
        "C-177 from a date, 90 days",
        {"start_date": "2026-01-01"},
        ["old"],
    ),
    ("C-177 to a date, 90 days before", {"end_date": "2026-01-05T10:00:00Z"}, ["old"]),
    ("C-183 nothing matches", {"status": "closed", "kind": "praise"}, []),
    ("X-04 changed since", {"updated_after": "2026-11-10"}, ["closed"]),
    ("X-04 knows no window", {"updated_before": "2026-02-01"}, ["old"]),
    (
        "X-04 both",
        {"updated_after": "2026-01-01", "updated_before": "2026-09-01T08:00:00Z"},
        ["summer", "edge", "old"],
    ),
    ("kind", {"kind": "praise"}, ["summer"]),
    ("kinds", {"kind": "praise,suggestion"}, ["north", "summer"]),
    ("staff", {"is_staff": "true"}, ["staff"]),
    ("residents", {"is_staff": "0"}, [name for name in IN_WINDOW if name != "staff"]),
    ("X-19 a word", {"q": "trou"}, ["text"]),
    ("X-19 no case, no accents", {"q": "eVIER beant"}, []),
    ("X-19 title", {"q": "evier"}, ["dump"]),
    ("X-19 address", {"q": "ÉVÊQUES"}, ["place"]),
    ("X-19 all words", {"q": "grand béant"}, ["text"]),
    ("X-19 % and _ are themselves", {"q": "u_1"}, ["text"]),
    ("X-19 % is itself", {"q": "0%"}, ["text"]),
    ("X-19 _ is not any", {"q": "t_ou"}, []),
    ("X-06 a box", {"bbox": "2.34,48.815,2.35,48.816"}, ["north"]),
    ("X-06 an empty box", {"bbox": "2.34,48.8165,2.35,48.818"}, []),
    ("X-05 near", {"lat": "48.8155", "long": "2.3444", "radius": "200"}, ["north"]),
    ("X-05 100 m when not said", {"lat": "48.8156", "long": "2.3444"}, ["north"]),
    ("X-05 not so near", {"lat": "48.8175", "long": "2.3444", "radius": "100"}, []),
    ("X-18 body", {"agency_responsible": "Ville de Gentilly – Hygiène"}, ["closed", "summer"]),
    ("X-18 unknown body", {"agency_responsible": "Mairie"}, []),
    ("C-171 no id", {"service_request_id": "1e9"}, []),
    ("X-08 page", {"page": "2", "page_size": "3"}, IN_WINDOW[3:6]),
    ("F1 page 0 is page 1", {"page": "0", "page_size": "2"}, IN_WINDOW[:2]),
    ("F3 beyond the end", {"page": "50", "page_size": "3"}, []),
    *(
        (f"X-08 {name}", {name: "2"}, IN_WINDOW[:2])
        for name in ("page_size", "per_page", "limit", "max_requests")
    ),
    ("C-196 no more than 1000", {"page_size": "100000"}, IN_WINDOW),
]


@pytest.mark.parametrize(
    ("query", "expected"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS]
)
def test_a_filter_gives_what_it_names(
    names: Names, query: dict[str, Any], expected: list[str]
) -> None:
    assert names(**query) == expected


@pytest.mark.parametrize("query", [case[1] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_c021_c183_c022_every_list_has_its_shape_in_every_format(
    own: Endpoint, told: dict[str, str], query: dict[str, Any]
) -> None:
    as_json = own.get("/requests", "json", **query)
    as_xml = own.get("/requests", "xml", **query)
    as_geojson = own.get("/requests", "geojson", **query)
    for suffix, response in (("json", as_json), ("xml", as_xml), ("geojson", as_geojson)):
        assert response.status_code == 200
        assert not refused_by("service_requests", suffix, response.data)
    same = [
        {name: value for name, value in request.items() if name != "expected_datetime" or value}
        for request in plain(as_json.json)
    ]
    assert spark(as_xml.data, "xml") == same
    assert [feature["properties"] for feature in as_geojson.json["features"]] == as_json.json
    assert as_geojson.headers["Content-Type"] == "application/geo+json; charset=utf-8"


BAD_QUERIES: list[tuple[str, dict[str, Any], str]] = [
    ("C-178 over 90 days", {"start_date": "2026-01-01", "end_date": "2026-06-01"}, "start_date"),
    ("C-179 reversed", {"start_date": "2026-06-02", "end_date": "2026-06-01"}, "start_date"),
    ("C-180 unreadable", {"start_date": "hier"}, "start_date"),
    ("C-182 unknown status", {"status": "fixed"}, "status"),
    ("kind", {"kind": "insult"}, "kind"),
    ("page size 0", {"page_size": "0"}, "page_size"),
    ("bbox of three", {"bbox": "1,2,3"}, "bbox"),
    ("bbox reversed", {"bbox": "3,48,2,49"}, "bbox"),
    ("radius alone", {"radius": "100"}, "lat"),
    ("lat alone", {"lat": "48.8"}, "lat"),
    ("radius of a continent", {"lat": "48.8", "long": "2.3", "radius": "1000000"}, "radius"),
    ("extensions=peut-être", {"extensions": "peut-être"}, "extensions"),
    ("cursor of others", {"cursor": "abc"}, "cursor"),
    ("too deep", {"page": "102", "page_size": "1000"}, "page"),
]


@pytest.mark.parametrize(
    ("query", "named"), [case[1:] for case in BAD_QUERIES], ids=[case[0] for case in BAD_QUERIES]
)
def test_a_wrong_filter_is_refused_and_named(
    door: Endpoint, suffix: str, query: dict[str, Any], named: str
) -> None:
    refused(door.get("/requests", suffix, **query), 400, suffix, named)


def test_c178_a_server_may_be_set_to_clamp_the_span(make_world: Any) -> None:
    from open311.config.settings import Settings

    world = make_world(Settings(wide_span="clamp"))
    id_ = world.posted_id()
    wide = {"start_date": "2025-01-01", "end_date": "2026-12-31"}
    found = world.get("/requests.json", **wide)
    assert [request["service_request_id"] for request in found.json] == [id_]
    assert world.get("/requests.json", **wide | {"end_date": "2026-11-01"}).json == []


def test_c187_c188_c190_c191_c193_every_element_is_whole(
    door: Endpoint, told: dict[str, str], suffix: str
) -> None:
    services = {
        service["service_code"]: service["service_name"] for service in door.get("/services").json
    }
    found = spark(door.get("/requests", suffix).data, suffix)
    assert len(found) == len(IN_WINDOW)
    for request in found:
        assert request["service_request_id"]
        assert request["status"] in ("open", "closed")
        assert services[request["service_code"]] == request["service_name"]
        for name, bound in (("lat", 90), ("long", 180)):
            if request[name] is not None:
                assert re.fullmatch(r"-?[0-9]{1,3}\.[0-9]{1,7}", str(request[name]))
                assert abs(float(request[name])) <= bound
                assert suffix == "xml" or isinstance(request[name], float)


def test_c189_a_closed_request_was_updated_when_it_closed(
    door: Endpoint, told: dict[str, str], suffix: str
) -> None:
    found = door.one(told["closed"], suffix, extensions="true")
    assert found["status"] == "closed"
    assert found["updated_datetime"] == "2026-11-10T12:00:00Z"
    assert found["requested_datetime"] == "2026-11-01T08:00:00Z"
    assert found["status_notes"] == "Le chat est rentré."
    more = found["extended_attributes"]
    assert more["detailed_status"] == "PROCESSED"
    assert [note["type"] for note in more["notes"]] == ["submitted", "closed"]


@pytest.mark.parametrize("name", ["old", "dump", "place", "staff"])
@pytest.mark.parametrize("extensions", ["true", "false"])
def test_c210_c212_c215_one_request_says_what_the_list_says(
    door: Endpoint, told: dict[str, str], suffix: str, name: str, extensions: str
) -> None:
    alone = door.get(f"/requests/{told[name]}", suffix, extensions=extensions)
    listed = door.get("/requests", suffix, service_request_id=told[name], extensions=extensions)
    assert alone.status_code == 200
    assert alone.data == listed.data
    assert ("extended_attributes" in alone.get_data(as_text=True)) == (extensions == "true")
    schema = "service_requests_extended" if extensions == "true" else "service_requests"
    assert not refused_by(schema, suffix, alone.data)


def test_c214_hidden_is_answered_as_unknown(
    door: Endpoint, told: dict[str, str], suffix: str
) -> None:
    texts = set()
    for id_ in ("999999", told["rejected"], told["spam"], told["blackbox"]):
        response = door.get(f"/requests/{id_}", suffix)
        refused(response, 404, suffix, "service_request_id")
        texts.add(response.get_data(as_text=True).replace(id_, "ID"))
    assert len(texts) == 1


@pytest.mark.parametrize(
    "id_",
    ["14-00.01", "abc.def.xml", "é", "0", "01", "-1", "1e3", "٣", "²", "99999999999999999999"],
)
def test_c211_c213_ids_of_any_shape_are_read_whole_and_unknown(
    door: Endpoint, suffix: str, id_: str
) -> None:
    (error,) = errors_of(door.get(f"/requests/{id_}", suffix), suffix)
    assert f"« {id_} »" in error["description"]


def test_x16_what_waits_for_moderation_is_readable_without_its_texts(
    door: Endpoint, told: dict[str, str], suffix: str
) -> None:
    found = door.one(told["pending"], suffix, extensions="true")
    assert found["description"] is None
    assert found["address"] is None
    assert found["service_code"] == "tag"
    assert told["pending"] not in door.ids()
    counted = door.get("/requests", suffix, count="true").headers["X-Result-Count"]
    assert int(counted) == len(IN_WINDOW)


def test_x08_paging_headers_lead_from_page_to_page(
    door: Endpoint, told: dict[str, str], suffix: str
) -> None:
    first = door.get("/requests", suffix, page_size="5", count="true", api_key="never repeated")
    assert first.headers["X-Page-Size"] == "5"
    assert first.headers["X-Result-Count"] == str(len(IN_WINDOW))
    assert first.headers["X-Page-Count"] == str(-(-len(IN_WINDOW) // 5))
    assert "X-Previous-Page-URL" not in first.headers
    seen, response = 0, first
    while "X-Next-Page-URL" in response.headers:
        url = response.headers["X-Next-Page-URL"]
        assert url.startswith(PUBLIC_URL + door.base)
        assert f'<{url}>; rel="next"' in response.headers["Link"]
        assert "never" not in url
        seen += len(spark(response.data, suffix))
        response = door.world.client.get(url.removeprefix(PUBLIC_URL))
    assert seen + len(spark(response.data, suffix)) == len(IN_WINDOW)
    assert response.headers["X-Previous-Page-URL"].endswith("page=2")
    assert "X-Result-Count" not in door.get("/requests", suffix).headers


def test_gzip_when_taken_and_never_deflate(own: Endpoint, told: dict[str, str]) -> None:
    import gzip

    plainly = own.get("/requests")
    assert "Content-Encoding" not in plainly.headers
    for path in ("/requests", "/services"):
        identity = own.get(path)
        for accept, compressed in {
            "gzip": True,
            "br, gzip;q=0.5": True,
            "gzip;q=0": False,
            "deflate": False,
            "*": False,
            "identity": False,
        }.items():
            response = own.get(path, headers={"Accept-Encoding": accept})
            assert (response.headers.get("Content-Encoding") == "gzip") == compressed, accept
            body = gzip.decompress(response.data) if compressed else response.data
            assert body == identity.data
            assert "Accept-Encoding" in response.headers["Vary"]
