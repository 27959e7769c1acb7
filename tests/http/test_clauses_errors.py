"""Clauses of GeoReport v2 about errors, and about what an installation changes (C-041)."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from open311.domain.errors import Unavailable
from open311.operations.jurisdictions import apply_jurisdiction
from tests.conftest import World, spark
from tests.http.conftest import Endpoint, errors_of, refused
from tests.schemas.conftest import refused_by

#: What is asked, how, and the status that GeoReport gives it.
MATRIX: dict[str, tuple[Callable[[Endpoint, str], Any], int]] = {
    "unknown path": (lambda end, suffix: end.get("/nothing", suffix), 404),
    "unknown service": (lambda end, suffix: end.get("/services/nothing", suffix), 404),
    "unknown request": (lambda end, suffix: end.get("/requests/999999", suffix), 404),
    "unknown token": (lambda end, suffix: end.get("/tokens/nothing", suffix), 404),
    "unknown photo": (lambda end, suffix: end.get("/requests/1/x", suffix), 404),
    "POST of an unknown service": (lambda end, suffix: end.post(suffix, service_code="x"), 404),
    "POST without key": (lambda end, suffix: end.post(suffix, api_key=None), 403),
    "POST without service": (lambda end, suffix: end.post(suffix, service_code=None), 400),
    "unreadable date": (lambda end, suffix: end.get("/requests", suffix, start_date="x"), 400),
    "unknown status": (lambda end, suffix: end.get("/requests", suffix, status="x"), 400),
    "NUL": (lambda end, suffix: end.get("/requests", suffix, q="\0"), 400),
    "update without key": (
        lambda end, suffix: end.post(suffix, "/servicerequestupdates", api_key=""),
        403,
    ),
}


@pytest.mark.parametrize("case", MATRIX)
def test_c230_to_c234_each_fault_has_its_status_and_its_body(
    endpoint: Endpoint, suffix: str, case: str
) -> None:
    ask, status = MATRIX[case]
    response = ask(endpoint, suffix)
    for error in errors_of(response, suffix):
        assert int(error["code"]) == status
        assert isinstance(error["code"], {"xml": str, "json": int}[suffix])
        assert len(error["description"]) > 10
        assert "\n" not in error["description"]
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"


READ_ONLY = ["/services", "/services/proprete", "/requests", "/requests/1", "/nothing"]


@pytest.mark.parametrize("path", READ_ONLY)
def test_c236_an_internal_failure_is_a_500_with_the_same_body_and_no_detail(
    world: World, suffix: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.get(f"{path}.{suffix}")  # what is kept in memory is no excuse for another answer

    def broken(*_: Any) -> None:
        raise RuntimeError("SECRET of the house")

    monkeypatch.setattr(world.database, "rows", broken)
    response = world.get(f"{path}.{suffix}")
    assert response.status_code == (404 if path == "/nothing" else 500)
    assert not refused_by("errors", suffix, response.data)
    assert "SECRET" not in response.text
    assert world.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", READ_ONLY[:4])
def test_a_database_out_of_reach_is_a_503_to_try_again(
    world: World, suffix: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.get(f"{path}.{suffix}")

    def away(*_: Any) -> None:
        raise Unavailable("Plus tard.")

    monkeypatch.setattr(world.database, "rows", away)
    response = world.get(f"{path}.{suffix}")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert not refused_by("errors", suffix, response.data)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_database_that_cannot_be_written_is_a_503_to_try_again(
    world: World, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("open311.storage.requests.insert_request", full)
    before = world.count("idempotency")
    response = world.post(suffix=suffix, headers={"Idempotency-Key": "k"})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert not refused_by("errors", suffix, response.data)
    assert world.count("idempotency") == before
    monkeypatch.undo()
    assert world.post(suffix=suffix, headers={"Idempotency-Key": "k"}).status_code == 200


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_lost_connection_is_a_503_to_try_again(
    world: World, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("open311.storage.requests.insert_request", lost)
    response = world.post(suffix=suffix)
    assert response.status_code == 503
    assert not refused_by("errors", suffix, response.data)
    monkeypatch.undo()
    assert world.post(suffix=suffix).status_code == 200


def test_c010_c023_c024_c025_nothing_but_the_standard_without_extensions(
    own: Endpoint, suffix: str
) -> None:
    """Names, types and presence are what the schemas of the core say: they allow no more."""
    own.posted_id(title="x", channel="web", service_object_id="a", service_object_type="b")
    schemas = {"/requests": "service_requests", "/services": "services"}
    for code in [each["service_code"] for each in own.get("/services").json]:
        schemas[f"/services/{code}"] = "service_definition"
    for path, schema in schemas.items():
        response = own.get(path, suffix)
        assert not refused_by(schema, suffix, response.data), path
        for name in ("extended_attributes", "automated", "is_staff", "title", "channel"):
            assert f"<{name}" not in response.text
            assert f'"{name}"' not in response.text


def test_c041_the_changeset_moves_with_the_services_and_only_then(
    world: World, jurisdiction_documents: dict[str, dict[str, Any]], suffix: str
) -> None:
    def changesets() -> set[str]:
        found = spark(world.client.get(f"/open311/gentilly.fr/discovery.{suffix}").data, suffix)
        return {found["changeset"], *(each["changeset"] for each in found["endpoints"])}

    def apply(document: dict[str, Any]) -> None:
        world.clock.advance(hours=1)
        now = world.clock.now
        world.database.write(lambda connection: apply_jurisdiction(connection, document, now=now))

    document = copy.deepcopy(jurisdiction_documents["gentilly.fr"])
    assert changesets() == {"2026-11-16T09:30:00Z"}
    apply(document)
    document["contact"] = "Ailleurs"
    apply(document)
    assert changesets() == {"2026-11-16T09:30:00Z"}
    document["services"][0]["description"]["fr"] = "Autre chose"
    apply(document)
    assert changesets() == {"2026-11-16T12:30:00Z"}
    gone = document["services"].pop(0)["service_code"]
    apply(document)
    assert changesets() == {"2026-11-16T13:30:00Z"}
    codes = {each["service_code"] for each in world.get("/services.json").json}
    assert gone not in codes
    refused(world.post(suffix=suffix, service_code=gone), 404, suffix, "service_code")
