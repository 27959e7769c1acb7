"""The conformance suite, pointed at our own server as an integrator would.

It runs as its own program against a started server that holds generated reports,
open, closed, old and withheld ones, so that every clause that can be seen from
outside has something to look at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from open311.operations.demonstration import load_demo_reports
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.media import DiskMediaStore
from tests.acceptance.conftest import JURISDICTION_ID, LAT, LONG, City, empty_database, open_city

pytestmark = pytest.mark.acceptance

_REPORTS = 600
#: What a run cannot see here: the catalogue of another day, a street in an address, a
#: failure inside, a limit that nginx keeps, a service under pre-moderation among those
#: that anybody may post to, and the competence resource that does not exist yet.
NEVER_SEEN = {"C-041", "C-195", "C-236", "C-237", "X-16", "X-21"}


@dataclass(frozen=True)
class Judged:
    """A started server and the id of a request that is not public."""

    city: City
    private_id: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("judged")
    url = empty_database(request, folder)
    city = open_city(folder, url)
    _fill(url, folder, city)
    _post_with_zipcode(city)
    private_id = _hide_one(city)
    yield Judged(city, private_id)
    city.server.kill()


@pytest.mark.parametrize("base", ["base", "own_base"])
def test_our_server_passes_every_profile(judged: Judged, base: str, tmp_path: Path) -> None:
    report = _check(judged, getattr(judged.city, base), tmp_path / "report.json")
    verdicts = {clause["id"]: clause["verdict"] for clause in report["clauses"]}
    failed = {clause for clause, verdict in verdicts.items() if verdict in ("failed", "broken")}
    assert not failed
    untested = {clause for clause, verdict in verdicts.items() if verdict == "not tested"}
    # A base knows one jurisdiction or several, never both.
    elsewhere = {"C-050", "C-053"} if base == "base" else {"C-051", "C-052"}
    assert untested <= NEVER_SEEN | elsewhere


def _fill(url: str, folder: Path, city: City) -> None:
    database = Database(url)
    here = Installation(
        database, DiskMediaStore(folder / "media"), public_url=city.base.removesuffix("/open311/v2")
    )
    try:
        for _ in load_demo_reports(here, _REPORTS, {}):
            pass
    finally:
        database.close()


def _post_with_zipcode(city: City) -> None:
    form = {
        "api_key": city.key,
        "service_code": "proprete",
        "lat": LAT,
        "long": LONG,
        "address_string": "14 place Henri-Barbusse, 94250 Gentilly",
        "zipcode": "94250",
    }
    answer = requests.post(f"{city.own_base}/requests.json", data=form, timeout=30)
    assert answer.status_code == 200, answer.text


def _hide_one(city: City) -> str:
    listed = city.server.run(
        "request", "list", "--stage", "done", "--jurisdiction", JURISDICTION_ID, "--json"
    )
    first = str(json.loads(listed)[0]["service_request_id"])
    city.server.run("request", "reject", first, "--jurisdiction", JURISDICTION_ID)
    return first


def _check(judged: Judged, base: str, report: Path) -> Any:
    command = [
        *(sys.executable, "-m", "open311_conformance", base, "--quiet", "--write", "--yes"),
        *("--profile", "all", "--jurisdiction-id", JURISDICTION_ID),
        *("--api-key", judged.city.key, "--lat", str(LAT), "--long", str(LONG)),
        *("--private-id", judged.private_id, "--json", str(report)),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=report.parent)
    assert report.exists(), done.stderr
    return json.loads(report.read_text(encoding="utf-8"))
