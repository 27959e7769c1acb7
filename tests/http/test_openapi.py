"""The OpenAPI document: valid, committed, and true of the server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from werkzeug.serving import make_server

from open311.domain.errors import TooCostly
from open311.domain.status import Visibility
from open311.operations.follow_up import set_visibility
from open311.storage import receipts
from tests.conftest import FIXTURES, PUBLIC_URL, World
from tests.http.conftest import endpoint_of

COMMITTED = FIXTURES.parent / "schemas" / "openapi.json"
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 311


@pytest.fixture(scope="module")
def document(shared: World) -> dict[str, Any]:
    found: dict[str, Any] = shared.app.extensions["open311-openapi"]
    return found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_document_is_the_committed_one(document: dict[str, Any]) -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(document)), "the API changed: run `make openapi`"


def test_the_server_gives_the_document_with_its_own_address(shared: World) -> None:
    response = shared.client.get("/openapi.json")
    given = response.json
    assert response.mimetype == "application/json"
    assert given.pop("servers") == [{"url": "http://open311.test"}]
    assert given == json.loads(COMMITTED.read_text(encoding="utf-8"))


def test_every_route_of_georeport_is_described(shared: World, document: dict[str, Any]) -> None:
    routed = {
        (rule.rule.replace("<string:", "{").replace(">", "}"), method.lower())
        for rule in shared.app.url_map.iter_rules()
        if rule.rule.startswith("/open311") and "/media/" not in rule.rule
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == routed


def test_every_operation_tells_its_parameters_and_its_errors(document: dict[str, Any]) -> None:
    names = set()
    for operations in document["paths"].values():
        for method in {"get", "post"} & set(operations):
            operation = operations[method]
            names.add(operation["operationId"])
            assert "default" not in operation["responses"]
            assert {"200", "400", "404", "500", "503"} <= set(operation["responses"])
            if method == "post":
                assert {"403", "413", "415"} <= set(operation["responses"])
                assert operation["security"] == [{}, {"key": []}]
    assert len(names) == 22
    (listed,) = (document["paths"]["/open311/v2/requests.json"]["get"],)
    told = {parameter["name"] for parameter in listed["parameters"]}
    assert {"start_date", "status", "bbox", "cursor", "page_size", "q", "kind"} <= told
    assert {"Idempotency-Key", "Open311-Origin"} <= {
        parameter["name"]
        for parameter in document["paths"]["/open311/v2/requests.json"]["post"]["parameters"]
    }


#: Headers that tell a client something of our own making, or when to come back.
TOLD = {"etag", "cache-control", "link", "retry-after", "open311-server"}


def test_every_header_that_is_sent_is_described_and_every_described_one_is_sent(
    world: World, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [world.posted_id(headers={"Idempotency-Key": f"k{number}"}) for number in range(3)]
    withdraw(world, int(ids[0]))
    asked = [
        ("/requests.json", {"page_size": "1", "page": "2", "count": "true"}),
        ("/requests.json", {"page_size": "1"}),
        ("/requests.json", {"cursor": "0"}),
        ("/requests.json", {"lat": "x"}),
        ("/requests/{service_request_id}.json", {}),
        ("/services.json", {}),
        ("/services/{service_code}.json", {}),
        ("/servicerequestupdates.json", {}),
        ("/discovery.json", {}),
    ]
    sent: dict[tuple[str, str, str], set[str]] = {}

    def note(method: str, path: str, response: Any) -> None:
        names = {name.lower() for name, _ in response.headers}
        mine = {name for name in names if name in TOLD or name.startswith("x-")}
        key = (method, f"/open311/v2{path}", str(response.status_code))
        sent[key] = sent.get(key, set()) | mine - {"x-content-type-options"}

    for path, query in asked:
        filled = path.format(service_request_id=ids[1], service_code="proprete")
        response = world.get(filled, **query)
        note("get", path, response)
        if etag := response.headers.get("ETag"):
            url = f"/open311/gentilly.fr/v2{filled}"
            again = world.client.get(url, query_string=query, headers={"If-None-Match": etag})
            note("get", path, again)
    note("post", "/requests.json", world.post())
    monkeypatch.setattr(receipts, "find_receipt", lambda *_: None)
    note("post", "/requests.json", world.post(headers={"Idempotency-Key": "k1"}))
    monkeypatch.setattr(world.database, "_read", too_costly)
    note("get", "/requests.json", world.get("/requests.json"))

    assert {status for _, _, status in sent} == {"200", "304", "400", "409", "503"}
    for (method, path, status), names in sent.items():
        described = document["paths"][path][method]["responses"][status].get("headers", {})
        assert names == {name.lower() for name in described}, (method, path, status)


def withdraw(world: World, id_: int) -> None:
    world.database.write(
        lambda connection: set_visibility(
            connection,
            world.side(),
            id_,
            Visibility.REJECTED,
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def too_costly(*_: object) -> None:
    raise TooCostly("trop")


# --- the document against the server -----------------------------------------


@pytest.fixture(scope="module")
def served(shared: World) -> Iterator[str]:
    """The application on a socket of its own: schemathesis sends what no test client would."""
    server = make_server("127.0.0.1", 0, shared.app)

    def serve() -> None:
        server.serve_forever(poll_interval=0.05)
        shared.database._drop_held()  # this thread's own connection

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(
    address: str, document: dict[str, Any], folder: Path, *options: str, config: str = ""
) -> dict[str, Any]:
    """One run of schemathesis: its report."""
    (folder / "document.json").write_text(json.dumps(document))
    (folder / "config.toml").write_text(config + CONFIG.read_text(encoding="utf-8"))
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "config.toml"),
        *("run", "document.json", "--url", address, "--checks", "all", "--seed", str(SEED)),
        *("--continue-on-failure", "--no-color", "--suppress-health-check", "all"),
        *("--report", "json", "--report-json-path", str(report)),
        *options,
    ]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert report.exists(), ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    assert ended.returncode == 0, ended.stdout[-6000:]
    return found


def test_schemathesis_finds_no_failure(
    shared: World, document: dict[str, Any], served: str, tmp_path: Path
) -> None:
    """Every operation, every check, at least 600 cases on each engine, one seed.

    First a client without key at the base of all jurisdictions, then one with a key at
    Gentilly's own base, where most of what it invents gets past the door.
    """
    own = endpoint_of(shared, "own")
    id_ = own.posted_id()
    known = (
        '[parameters]\n"path.service_code" = "depot-sauvage"\n'
        f'"path.service_request_id" = "{id_}"\n\n'
    )
    at_home = json.loads(json.dumps(document).replace('"/open311/', '"/open311/gentilly.fr/'))
    bearer = f"Authorization: Bearer {shared.key}"
    reports = [
        run(served, document, tmp_path, "--max-examples", "3"),
        run(served, at_home, tmp_path, "-H", bearer, "--max-examples", "6", config=known),
    ]
    for report in reports:
        assert report["failures"] == []
        assert report["errors"] == []
        assert report["complete"]
        assert report["operations"]["tested"] == report["operations"]["total"] == 22
        assert report["test_cases"]["with_failures"] == report["test_cases"]["errored"] == 0
    assert sum(report["test_cases"]["generated"] for report in reports) >= 600
    posted = reports[1]["valid_rates"]["POST /open311/gentilly.fr/v2/requests.json"]
    assert sum(phase["accepted"] for phase in posted.values()) > 0
