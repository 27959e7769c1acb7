"""Nobody reads or writes what is another's: jurisdictions, test endpoints, people."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from PIL import Image

from open311.domain.status import Stage
from open311.operations.follow_up import Step, take_step
from tests.conftest import GENTILLY, NOGENT, PUBLIC_URL, World, spark
from tests.http.conftest import SUFFIXES, errors_of, multipart
from tests.http.hostile_images import picture

#: What stands for each variable part of a route; a new one must be told here.
VARIABLES = {
    *("service_request_id", "token", "service_code", "name", "path"),
    *("destination", "secret"),
}
#: Routes of the installation, not of a jurisdiction: they read no request. The doors of
#: tools and agents take no key but a signature (test_hooks.py, test_agent_links.py).
OF_THE_INSTALLATION = re.compile(
    r"/(healthz|readyz|metrics|openapi\.json|docs/.*|discovery\.\w+|hooks/.*|agent)?$"
)
#: Routes that take no key but a signature of one destination; tests/http/test_hooks.py and
#: test_agent_links.py show whom they let in.
DOORS_OF_TOOLS = ("/hooks", "/agent")

CANARIES = {
    "email": "canary.mail@secret.example",
    "first_name": "Canarifirst",
    "last_name": "Canarilast",
    "phone": "+33699000111",
    "device_id": "canary-device-42",
    "account_id": "canary-account-43",
}
EXIF_CANARY = "Canariexif"


def photo_with_canary(marker: str = "") -> bytes:
    """A photo of its own for each marker: photos are named by what they show."""
    colour = (sum(marker.encode()) % 256, 60, 200)
    exif = Image.Exif()
    exif[0x013B] = EXIF_CANARY  # artist
    exif.get_ifd(0x8825)[29] = EXIF_CANARY
    written = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(
        written, "JPEG", exif=exif, comment=EXIF_CANARY.encode()
    )
    return written.getvalue()


@dataclass(frozen=True)
class Held:
    """What one side holds, and what must never be seen elsewhere."""

    base: str
    key: str
    marker: str
    id_: str
    token: str
    photo: str


def fill(world: World, base: str, key: str, place: dict[str, str], marker: str) -> Held:
    """One request of every kind on one side, all of whose texts hold the marker."""
    texts = dict.fromkeys(("description", "title", "address_string", "zipcode"), marker[:10])
    url = f"{base}/requests.json"
    plain, batch = service_codes(world, base)
    form = {"api_key": key, "service_code": plain, **place, **texts, **CANARIES}
    response = world.client.post(url, **multipart(form, photo_with_canary(marker)))
    assert response.status_code == 200, response.get_data(as_text=True)
    id_ = response.json[0]["service_request_id"]
    pending = world.client.post(
        url, data=form | {"service_code": batch, "attribute[VOLUME_M3]": "1"}
    )
    token = pending.json[0].get("token", f"no-token-of-{marker}")
    update = {
        "api_key": key,
        "service_request_id": id_,
        "update_id": marker,
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": marker,
        "email": CANARIES["email"],
        "first_name": CANARIES["first_name"],
    }
    posted = world.client.post(f"{base}/servicerequestupdates.json", data=update)
    assert posted.status_code == 200, posted.get_data(as_text=True)
    photo = world.client.get(f"{base}/requests/{id_}.json").json[0]["media_url"]
    return Held(base, key, marker, id_, token, photo.removeprefix(PUBLIC_URL))


def service_codes(world: World, base: str) -> tuple[str, str]:
    """A service that answers an id, one that answers a token if any; both ask little."""
    services = world.client.get(f"{base}/services.json").json
    asking_nothing = [
        each
        for each in services
        if not any(
            attribute["required"] and attribute["code"] != "VOLUME_M3"
            for attribute in world.client.get(f"{base}/services/{each['service_code']}.json").json[
                "attributes"
            ]
        )
    ]
    realtime = [each for each in asking_nothing if each["type"] == "realtime"]
    batch = [each for each in asking_nothing if each["type"] == "batch"]
    return realtime[0]["service_code"], (batch or realtime)[0]["service_code"]


@pytest.fixture(scope="module")
def sides(shared: World) -> dict[str, Held]:
    """Gentilly and Nogent, production and test, each with data of its own."""
    return {
        "gentilly": fill(shared, "/open311/gentilly.fr/v2", shared.key, GENTILLY, "MARKGENT"),
        "nogent": fill(shared, "/open311/nogent-sur-marne.fr/v2", shared.key, NOGENT, "MARKNOGE"),
        "gentilly test": fill(
            shared, "/open311/gentilly.fr/test/v2", shared.test_key, GENTILLY, "MARKGTES"
        ),
        "nogent test": fill(
            shared, "/open311/nogent-sur-marne.fr/test/v2", shared.test_key, NOGENT, "MARKNTES"
        ),
    }


PAIRS = [
    (mine, theirs)
    for mine in ("gentilly", "nogent", "gentilly test", "nogent test")
    for theirs in ("gentilly", "nogent", "gentilly test", "nogent test")
    if mine != theirs
]


def routes(world: World, method: str) -> Iterator[str]:
    """Every route of the application that takes a method, by its rule."""
    for rule in world.app.url_map.iter_rules():
        if method in (rule.methods or ()) and not rule.rule.startswith(DOORS_OF_TOOLS):
            assert set(rule.arguments) <= VARIABLES, f"a new variable part: {rule}"
            yield rule.rule


def address(rule: str, mine: Held, theirs: Held) -> str:
    """A route of my side, asked with their ids."""
    filled = (
        rule.replace("<string:service_request_id>", theirs.id_)
        .replace("<service_request_id>", theirs.id_)
        .replace("<string:token>", theirs.token)
        .replace("<string:service_code>", "proprete")
        .replace("<name>", theirs.photo.rpartition("/")[2])
        .replace("<path:path>", "index.html")
    )
    assert "<" not in filled, rule
    side = mine.base.removesuffix("/v2")
    return filled.replace("/open311", side, 1) if filled.startswith("/open311") else filled


def photo_address(rule: str, mine: Held, theirs: Held) -> list[str]:
    """The same with my own request id before their photo."""
    return [address(rule, mine, theirs)] + (
        [address(rule, mine, theirs).replace(f"/{theirs.id_}/", f"/{mine.id_}/")]
        if "/media/" in rule
        else []
    )


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_no_route_shows_what_another_side_holds(
    shared: World, sides: dict[str, Held], mine: str, theirs: str
) -> None:
    walked = 0
    for rule in routes(shared, "GET"):
        for url in photo_address(rule, sides[mine], sides[theirs]):
            for query in ({}, {"extensions": "true"}, {"service_request_id": sides[theirs].id_}):
                response = shared.client.get(url, query_string=query, buffered=True)
                assert sides[theirs].marker.encode() not in response.data, url
                assert sides[theirs].token.encode() not in response.data or "/tokens/" in url
                assert response.status_code < 500
                if "<" in rule and "service_code" not in rule and "path" not in rule:
                    assert response.status_code == 404, url
                walked += 1
    assert walked > 60


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_cursor_and_every_filter_stay_inside_the_side(
    shared: World, sides: dict[str, Held], mine: str, theirs: str
) -> None:
    for suffix in ("xml", "json", "geojson"):
        for query in (
            {"cursor": "0"},
            {"updated_after": "2001-01-01"},
            {"q": sides[theirs].marker},
            {"bbox": "-180,-90,180,90"},
        ):
            url = f"{sides[mine].base}/requests.{suffix}"
            response = shared.client.get(url, query_string=query | {"extensions": "true"})
            assert response.status_code == 200
            assert sides[theirs].marker.encode() not in response.data
            shown = re.findall(rb'service_request_id"?[>:]"?([0-9]+)', response.data)
            assert sides[theirs].id_.encode() not in shown


FOREIGN: dict[str, tuple[str, str]] = {
    "another jurisdiction's key": ("/open311/gentilly.fr/v2", "nogent_key"),
    "the same, by parameter": ("/open311/v2", "nogent_key"),
    "a test key in production": ("/open311/gentilly.fr/v2", "test_key"),
    "a production key at the test endpoint": ("/open311/gentilly.fr/test/v2", "key"),
    "an agent's key elsewhere": ("/open311/nogent-sur-marne.fr/v2", "staff_key"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_no_route_takes_a_foreign_key(shared: World, sides: dict[str, Held], case: str) -> None:
    base, key_name = FOREIGN[case]
    key, counts = getattr(shared, key_name), shared.count("service_request")
    texts = set()
    walked = 0
    for rule in routes(shared, "POST"):
        if OF_THE_INSTALLATION.match(rule):
            continue  # the doors of tools: a signature opens them, never a key
        url = rule.replace("/open311/v2", base)
        for presented in ({"api_key": key}, {}):
            form = {"service_code": "proprete", **GENTILLY, "jurisdiction_id": "gentilly.fr"}
            if "nogent" in base:
                form["jurisdiction_id"] = "nogent-sur-marne.fr"
            headers = {} if presented else {"Authorization": f"Bearer {key}"}
            response = shared.client.post(url, data=form | presented, headers=headers)
            (error,) = errors_of(response, url.rpartition(".")[2])
            assert response.status_code == 403, url
            texts.add(error["description"])
            walked += 1
    assert len(texts) == 1, "the text tells nothing of why"
    assert walked >= 8
    assert shared.count("service_request") == counts


def test_a_foreign_request_takes_no_update(
    shared: World, sides: dict[str, Held], suffix: str
) -> None:
    counts = shared.count("request_update")
    for mine, theirs in PAIRS:
        form = {
            "api_key": sides[mine].key,
            "service_request_id": sides[theirs].id_,
            "update_id": f"foreign {mine} {theirs}",
            "status": "UNCHANGED",
            "updated_datetime": "2026-11-16T09:00:00Z",
            "description": "x",
        }
        response = shared.client.post(
            f"{sides[mine].base}/servicerequestupdates.{suffix}", data=form
        )
        assert response.status_code == 404
    assert shared.count("request_update") == counts


def test_test_endpoints_are_never_delivered(shared: World, sides: dict[str, Held]) -> None:
    keys = {
        row[0]
        for row in shared.database.rows(
            "SELECT j.environment FROM outbox o "
            "JOIN jurisdiction j ON j.jurisdiction_key = o.jurisdiction_key"
        )
    }
    assert keys == {"production"}


# --- people ------------------------------------------------------------------


@pytest.mark.parametrize("side", ["gentilly", "gentilly test"])
def test_no_route_and_no_log_shows_who_reported(
    shared: World, sides: dict[str, Held], side: str
) -> None:
    mine = sides[side]
    wrong = {"api_key": mine.key, "lat": "north", "service_code": "nothing", **CANARIES}
    with structlog.testing.capture_logs() as logs:
        answers = [
            shared.client.get(url, query_string=query, buffered=True)
            for rule in routes(shared, "GET")
            for url in [address(rule, mine, mine)]
            for query in ({}, {"extensions": "true", "cursor": "0"}, CANARIES)
        ]
        for suffix in SUFFIXES:
            url = f"{mine.base}/requests.{suffix}"
            answers += [
                shared.client.post(url, data=wrong),
                shared.client.post(url, data=wrong | {"email": CANARIES["email"] * 20}),
                shared.client.post(f"{mine.base}/servicerequestupdates.{suffix}", data=wrong),
                shared.client.get(f"{mine.base}/nothing.{suffix}", query_string=CANARIES),
                shared.client.open(url, method="DELETE", query_string=CANARIES),
            ]
    assert logs, "the log of requests is part of what is searched"
    hay = str(logs).encode() + b"".join(
        response.data + str(response.headers).encode() for response in answers
    )
    for canary in (*CANARIES.values(), EXIF_CANARY, mine.key.split("_", 2)[2]):
        assert canary.encode() not in hay, canary
    assert mine.marker.encode() in hay, "the public part is there: something was searched"


def test_only_the_poster_reads_his_account_id_back(shared: World, suffix: str) -> None:
    """GeoReport's receipt repeats account_id; nothing else of the reporter."""
    response = shared.post(suffix=suffix, **CANARIES)
    (receipt,) = spark(response.data, suffix)
    assert receipt.pop("account_id") == CANARIES["account_id"]
    for canary in set(CANARIES.values()) - {CANARIES["account_id"]}:
        assert canary not in response.get_data(as_text=True)


# --- differential tenancy ----------------------------------------------------


def test_answers_of_one_are_the_same_whatever_the_other_holds(
    make_world: Callable[..., World],
) -> None:
    """Byte for byte, headers included: only the ids of the one sequence may differ."""
    world = make_world()
    mine = fill(world, "/open311/gentilly.fr/v2", world.key, GENTILLY, "MARKMINE")
    before = _all_answers(world, mine)
    theirs = fill(world, "/open311/nogent-sur-marne.fr/v2", world.key, NOGENT, "MARKTHEI")
    fill(world, "/open311/gentilly.fr/test/v2", world.test_key, GENTILLY, "MARKTEST")
    other = world.side("nogent-sur-marne.fr")
    world.database.write(
        lambda connection: take_step(
            connection,
            other,
            int(theirs.id_),
            Step(Stage.DONE, note="fait"),
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )
    assert _all_answers(world, mine) == before


def _all_answers(world: World, mine: Held) -> dict[str, Any]:
    found = {}
    for rule in routes(world, "GET"):
        url = address(rule, mine, mine)
        if OF_THE_INSTALLATION.search(url):
            continue
        for query in ("", "extensions=true", "count=true&page_size=1", "updated_after=2001-01-01"):
            response = world.client.get(f"{url}?{query}", buffered=True)
            found[f"{url}?{query}"] = (response.status_code, response.data, dict(response.headers))
    assert len(found) > 50
    return found


def test_a_photo_of_another_form_is_a_photo() -> None:
    """The canary's picture is one that the server would take without its canary as well."""
    assert picture("JPEG")[:2] == photo_with_canary()[:2]
    assert EXIF_CANARY.encode() in photo_with_canary()
