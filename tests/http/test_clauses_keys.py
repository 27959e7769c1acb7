"""Clauses of GeoReport v2 about jurisdictions and keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from open311.operations.keys import create_key, revoke_key
from tests.conftest import GENTILLY, World
from tests.http.conftest import Endpoint, refused

PATHS = ["/services", "/services/proprete", "/requests", "/requests/1", "/tokens/x"]


@pytest.mark.parametrize("path", [*PATHS, "/servicerequestupdates"])
@pytest.mark.parametrize("base", ["/open311/v2", "/open311/test/v2"])
def test_c051_c052_where_several_are_served_one_must_be_named(
    shared: World, suffix: str, base: str, path: str
) -> None:
    url = f"{base}{path}.{suffix}"
    refused(shared.client.get(url), 400, suffix, "jurisdiction_id")
    lat_long = {"lat": "48.813", "long": "2.3444"}
    refused(shared.client.get(url, query_string=lat_long), 400, suffix, "jurisdiction_id")
    unknown = {"jurisdiction_id": "atlantis"}
    refused(shared.client.get(url, query_string=unknown), 404, suffix, "jurisdiction_id")


@pytest.mark.parametrize("path", ["/requests", "/servicerequestupdates"])
def test_c051_c052_the_same_for_post(shared: World, suffix: str, path: str) -> None:
    url, form = f"/open311/v2{path}.{suffix}", {"api_key": shared.key, "service_code": "proprete"}
    refused(shared.client.post(url, data=form), 400, suffix, "jurisdiction_id")
    form["jurisdiction_id"] = "atlantis"
    refused(shared.client.post(url, data=form), 404, suffix, "jurisdiction_id")


@pytest.mark.parametrize("path", PATHS[:3])
def test_c050_c053_an_own_base_takes_its_own_id_or_none(
    own: Endpoint, suffix: str, path: str
) -> None:
    plainly = own.get(path, suffix)
    assert plainly.status_code == 200
    assert own.get(path, suffix, jurisdiction_id="gentilly.fr").data == plainly.data
    for foreign in ("nogent-sur-marne.fr", "atlantis"):
        refused(own.get(path, suffix, jurisdiction_id=foreign), 404, suffix, "jurisdiction_id")


@pytest.mark.parametrize("path", PATHS[:3])
def test_c054_c056_reading_needs_no_key_and_a_wrong_one_does_no_harm(
    endpoint: Endpoint, suffix: str, path: str
) -> None:
    assert endpoint.get(path, suffix).status_code == 200
    assert endpoint.get(path, suffix, api_key="wrong").status_code == 200
    bearer = {"Authorization": "Bearer wrong"}
    assert endpoint.get(path, suffix, headers=bearer).status_code == 200


@pytest.mark.parametrize("path", ["/requests", "/servicerequestupdates"])
@pytest.mark.parametrize(
    "key", [None, "", "wrong", "o311_a_b", "o311__", "o311_" + "a" * 5000, "clé", "null"]
)
def test_c055_posting_without_a_right_key_is_403(
    endpoint: Endpoint, suffix: str, path: str, key: str | None
) -> None:
    response = endpoint.post(suffix, path, api_key=key)
    refused(response, 403, suffix, "api_key")
    if key and len(key) > 8:
        assert key not in response.get_data(as_text=True)  # C-058


def test_c057_the_key_may_be_a_bearer_or_stand_in_the_query(
    endpoint: Endpoint, suffix: str
) -> None:
    bearer = {"Authorization": f"Bearer {endpoint.key}"}
    assert endpoint.post(suffix, api_key=None, headers=bearer).status_code == 200
    lower = {"Authorization": f"bearer  {endpoint.key}"}
    assert endpoint.post(suffix, api_key=None, headers=lower).status_code == 200
    url = f"{endpoint.base}/requests.{suffix}"
    form = {"service_code": "proprete", **GENTILLY, **endpoint.query}
    response = endpoint.world.client.post(url, data=form, query_string={"api_key": endpoint.key})
    assert response.status_code == 200


def test_c058_the_key_is_never_repeated(endpoint: Endpoint, suffix: str) -> None:
    wrong = {"service_code": "x", "lat": "y", "description": "z" * 4001, "api_key": endpoint.key}
    answers = [
        endpoint.post(suffix),
        endpoint.post(suffix, **wrong),
        endpoint.get("/requests", suffix, api_key=endpoint.key, page_size="1", page="2"),
        endpoint.post(suffix, api_key=[endpoint.key, endpoint.key + "x"]),
    ]
    secret = endpoint.key.split("_", 2)[2]
    for response in answers:
        assert secret not in response.get_data(as_text=True)
        assert secret not in str(response.headers)


def test_c059_the_key_is_judged_after_parsing_and_before_the_rules(
    endpoint: Endpoint, suffix: str
) -> None:
    refused(endpoint.post(suffix, api_key="wrong", service_code="nothing"), 403, suffix)
    refused(endpoint.post_raw(b"api_key=wrong&x=%00", suffix), 400, suffix, "x :")
    unknown = {"jurisdiction_id": "atlantis", "api_key": "wrong"}
    refused(endpoint.post(suffix, **unknown), 404, suffix, "jurisdiction_id")


def test_keys_end_when_revoked_or_expired_and_begin_when_made(shared: World, suffix: str) -> None:
    """L1, L4: one text for every reason."""
    now = shared.clock.now

    def key(**options: Any) -> str:
        given = {"rights": ["create"], "environment": "production", "jurisdictions": ["*"]}
        return shared.database.write(
            lambda connection: create_key(connection, label="t", now=now, **given | options)
        )

    def answer(presented: str) -> Any:
        return shared.post(suffix=suffix, api_key=presented)

    live = key()
    assert answer(live).status_code == 200
    texts = set()
    stored = shared.installation.keys[live.split("_")[1]]
    shared.database.write(lambda connection: revoke_key(connection, stored, now=now))
    for presented in (
        live,
        key(expires_datetime=now),
        key(rights=["update"]),
        key(environment="test"),
        key(jurisdictions=["nogent-sur-marne.fr"]),
        live[:-1],
        live.upper(),
        "",
    ):
        response = answer(presented)
        refused(response, 403, suffix)
        texts.add(response.data)
    assert len(texts) == 1
    assert answer(key(expires_datetime=now + timedelta(seconds=1))).status_code == 200
