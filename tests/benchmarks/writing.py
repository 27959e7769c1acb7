"""Targets 9 and 12: what a durable POST costs, and many of them on a slow disk."""

from __future__ import annotations

import time
from itertools import count
from urllib.parse import urlencode

from sqlalchemy import text

from open311.domain.request import RequestDraft, ServiceRequest, StoredRequest
from open311.domain.status import Stage, Visibility
from open311.operations.post_service_request import AcceptedRequest, post_service_request
from open311.storage import requests
from tests.benchmarks.bench import Bench, Report
from tests.benchmarks.dataset import BIG_CITY, NOW
from tests.benchmarks.measure import Case, Wsgi, medians

FORM = {
    "service_code": "proprete",
    "lat": "48.8130",
    "long": "2.3444",
    "description": "Dépôt sauvage devant l'école & à l'angle de la rue.",
    "email": "habitante@example.org",
}


def measure_writing(bench: Bench, report: Report) -> None:
    """Measure and report the cost of one POST on one engine."""
    cases = _cases(bench)
    # Both wait for the same disk: what differs is the work, so it is counted in
    # seconds on the processor; the line after it counts the wait too.
    cpu = medians(cases, rounds=400, clock=time.process_time)
    wall = medians(cases, rounds=200)
    say = bench.engine
    ratio = cpu["post"] / cpu["naive post"]
    report.at_most("9", f"{say}: durable POST / NAIVE POST, on the processor", ratio, 0.5)
    ratio = wall["post"] / wall["naive post"]
    report.at_most("9", f"{say}: durable POST / NAIVE POST, waiting for the disk", ratio, 1.25)
    ratio = wall["engine"] / wall["bare"]
    report.at_most("9", f"{say}: engine part / bare row and indexes", ratio, 2.5)


def post_case(bench: Bench) -> Case:
    """A durable POST through the whole application."""
    return _post(bench.ours, f"/open311/{BIG_CITY}/v2/requests.json", bench.key)


def _post(application: Wsgi, path: str, key: str) -> Case:
    body = urlencode(FORM | {"api_key": key}).encode()
    return application.request(
        "POST", path, body=body, CONTENT_TYPE="application/x-www-form-urlencoded"
    )


def _cases(bench: Bench) -> dict[str, Case]:
    return {
        "post": post_case(bench),
        "naive post": _post(bench.naive, "/requests.json", bench.key),
        "engine": _engine(bench),
        "bare": _bare(bench),
    }


def _engine(bench: Bench) -> Case:
    """Everything that is written for a POST, without HTTP, forms or rules."""
    service = bench.side.jurisdiction.service("proprete")
    draft = RequestDraft("proprete", lat=48.813, long=2.3444, description=FORM["description"])
    accepted = AcceptedRequest(draft, service, ())
    (key,) = bench.installation.keys.values()
    return lambda: bench.database.write(
        lambda connection: post_service_request(
            connection,
            bench.side,
            accepted,
            photos=(),
            key=key,
            claims=(),
            public_url="http://open311.test",
            now=NOW,
        )
    )


def _bare(bench: Bench) -> Case:
    """The row of a request alone, with as many indexes as the documents have, durably."""
    with bench.database.begin() as connection:
        columns = ", ".join(
            f"{column.name} {column.type.compile(connection.dialect)}"
            for column in requests.sql.table_of("service_request").columns
        )
        connection.execute(
            text(f"CREATE TABLE bare_request ({columns}, PRIMARY KEY (request_key))")
        )
        for number, names in enumerate(_BARE_INDEXES):
            connection.execute(text(f"CREATE INDEX bare_{number} ON bare_request ({names})"))
    statement = requests.sql.insert("service_request").replace(
        "INTO service_request", "INTO bare_request"
    )
    ids = count(1)

    def insert() -> None:
        row = requests._row_of(bench.side.scope, StoredRequest(_request(next(ids))))
        bench.database.write(lambda connection: requests.sql.execute(connection, statement, row))

    return insert


_BARE_INDEXES = (
    "service_request_id",
    "jurisdiction_key, requested_datetime, request_key",
    "jurisdiction_key, stage, service_code, requested_datetime",
    "jurisdiction_key, service_code, requested_datetime",
    "jurisdiction_key, updated_datetime, request_key",
    "jurisdiction_key, lat, requested_datetime",
)


def _request(id_: int) -> ServiceRequest:
    return ServiceRequest(
        service_request_id=id_,
        stage=Stage.RECEIVED,
        visibility=Visibility.PUBLIC,
        status_notes=None,
        service_name="Propreté",
        service_code="proprete",
        description=FORM["description"],
        agency_responsible="Ville",
        service_notice=None,
        requested_datetime=NOW,
        updated_datetime=NOW,
        expected_datetime=None,
        address=None,
        address_id=None,
        zipcode=None,
        lat=48.813,
        long=2.3444,
        detailed_status_datetime=NOW,
    )
