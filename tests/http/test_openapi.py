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

from tests.conftest import FIXTURES, World
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
    assert "Idempotency-Key" in {
        parameter["name"]
        for parameter in document["paths"]["/open311/v2/requests.json"]["post"]["parameters"]
    }


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
