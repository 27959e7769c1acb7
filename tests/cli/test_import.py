"""`open311 import`: what a request of another server becomes, on both engines."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from open311.operations.follow_up import erase_request
from tests.cli.transferring import NOGENT_POST, Run, imported, listed, record
from tests.conftest import GENTILLY, PUBLIC_URL, World


def test_an_imported_request_keeps_its_dates_status_texts_and_gets_a_history(
    past_world: World, run: Run
) -> None:
    before = past_world.count("outbox")
    closed = record(
        status="closed", status_notes="Balayé le 3 mai", closed_datetime="2024-05-03T06:00:00Z",
        address="3, rue Raspail", zipcode="94250", agency_responsible="Voirie",
    )  # fmt: skip
    result = imported(run, [closed])
    assert result.exit_code == 0, result.stderr
    (found,) = listed(past_world)
    extended = found.pop("extended_attributes")
    assert found | {"service_request_id": ""} == {
        "service_request_id": "",
        "status": "closed",
        "status_notes": "Balayé le 3 mai",
        "service_name": "Rue, place ou trottoir sale",
        "service_code": "proprete",
        "description": "Trottoir sale",
        "agency_responsible": "Voirie",
        "service_notice": None,
        "requested_datetime": "2024-05-02T06:00:00Z",
        "updated_datetime": "2024-05-03T06:00:00Z",
        "expected_datetime": None,
        "address": "3, rue Raspail",
        "address_id": None,
        "zipcode": "94250",
        "lat": 48.813,
        "long": 2.3444,
        "media_url": None,
    }
    assert extended["detailed_status"] == "PROCESSED"
    assert [(note["type"], note["datetime"]) for note in extended["notes"]] == [
        ("submitted", "2024-05-02T06:00:00Z"),
        ("closed", "2024-05-03T06:00:00Z"),
    ]
    assert past_world.count("outbox") == before, "nothing is delivered unless asked"


def test_deliver_tells_the_business_tools(past_world: World, run: Run) -> None:
    assert imported(run, [record()], "--deliver").exit_code == 0
    assert past_world.count("outbox") == 1


def test_an_import_moves_the_etag_of_lists(past_world: World, run: Run) -> None:
    query = {"start_date": "2024-05-01", "end_date": "2024-06-01"}
    first = past_world.get("/requests.json", **query)
    imported(run, [record()])
    second = past_world.get("/requests.json", **query)
    assert first.json == []
    assert len(second.json) == 1
    assert first.headers["ETag"] != second.headers["ETag"]


_STATUSES = [
    ("open", "RECEIVED"),
    ("closed", "PROCESSED"),
    ("OPEN", "RECEIVED"),
    ("fixed - council", "PROCESSED"),
    ("In progress", "IN_PROCESS"),
    ("not_councils_responsibility", "REJECTED"),
    ("Traitée", "PROCESSED"),
    ("sans suite", "REJECTED"),
    ("En cours", "IN_PROCESS"),
]


def test_statuses_of_other_servers_are_understood(past_world: World, run: Run) -> None:
    given = [
        record(service_request_id=f"S{number}", description=status, status=status)
        for number, (status, _) in enumerate(_STATUSES)
    ]
    result = imported(run, given)
    assert result.exit_code == 0, result.stderr
    found = {
        each["description"]: each["extended_attributes"]["detailed_status"]
        for each in listed(past_world)
    }
    assert found == dict(_STATUSES)


def test_an_unknown_status_is_refused_until_it_is_mapped(past_world: World, run: Run) -> None:
    refused = imported(run, [record(status="Wartet")])
    assert refused.exit_code == 1
    assert "Wartet" in refused.stderr
    assert imported(run, [record(status="Wartet")], "--status", "wartet=planned").exit_code == 0
    wrong = imported(run, [record()], "--status", "wartet=nichts")
    assert wrong.exit_code == 2
    assert "received" in wrong.stderr


_REFUSED = {
    "unknown service": ({"service_code": "nichts"}, "--map-services"),
    "no service": ({"service_code": None}, "service_code"),
    "no date": ({"requested_datetime": None}, "requested_datetime"),
    "not a date": ({"requested_datetime": "hier"}, "requested_datetime"),
    "a date to come": ({"requested_datetime": "2999-01-01"}, "avenir"),
    "outside": ({"lat": 45.0, "long": 3.0}, "hors du territoire"),
    "half a position": ({"lat": None}, "il en manque un"),
    "no place": ({"lat": None, "long": None}, "lat, long"),
    "metres": ({"lat": 6_860_000, "long": 652_000}, "Lambert"),
    "not finite": ({"lat": "nan"}, "lat"),
    "too long": ({"description": "x" * 4001}, "4000"),
    "private photo": ({"media_url": "http://192.168.0.1/a.jpg"}, "media_url"),
    "NUL": ({"description": "a\0b"}, "NUL"),
    "erased": ({"visibility": "erased"}, "visibility"),
}


def test_refused_records_are_told_with_their_reason_and_stop_no_other(
    past_world: World, run: Run, tmp_path: Path
) -> None:
    given = [record(**changes) for changes, _ in _REFUSED.values()]
    report = tmp_path / "refus.csv"
    result = imported(run, [*given, record(description="bonne")], "--report", str(report))
    assert result.exit_code == 1
    assert f"refusées : {len(_REFUSED)}" in result.stderr
    assert [each["description"] for each in listed(past_world)] == ["bonne"]
    rows = list(csv.DictReader(report.read_text(encoding="utf-8").splitlines()))
    assert [int(row["enregistrement"]) for row in rows] == list(range(1, len(_REFUSED) + 1))
    for row, (name, (_, words)) in zip(rows, _REFUSED.items(), strict=True):
        assert words in row["motif"], name


def test_a_dry_run_judges_the_same_and_writes_nothing(past_world: World, run: Run) -> None:
    given = [record(), record(service_code="nichts")]
    tables = ("service_request", "request_update", "public_document", "idempotency", "outbox")
    before = [past_world.count(table) for table in tables]
    result = imported(run, given, "--dry-run", "--source", "essai", "--deliver")
    assert result.exit_code == 1
    assert "seraient importées : 1" in result.stderr
    assert [past_world.count(table) for table in tables] == before


def test_the_same_file_twice_from_one_source_counts_once(past_world: World, run: Run) -> None:
    given = [record(service_request_id=f"R{number}") for number in range(3)]
    first = imported(run, [*given, given[0]], "--source", "zurich")
    assert "importées : 3 ; déjà présentes : 1" in first.stderr
    again = imported(run, [*given, record(service_request_id="R9")], "--source", "zurich")
    assert "importées : 1 ; déjà présentes : 3" in again.stderr
    other = imported(run, given, "--source", "fms")
    assert "importées : 3" in other.stderr


def test_an_erased_request_is_not_imported_again(past_world: World, run: Run) -> None:
    imported(run, [record(email="lea@example.fr")], "--source", "zurich")
    (found,) = listed(past_world)
    erase_request(
        past_world.database, past_world.media, past_world.side(),
        int(found["service_request_id"]), public_url=PUBLIC_URL, now=past_world.clock.now,
    )  # fmt: skip
    again = imported(run, [record(email="lea@example.fr")], "--source", "zurich")
    assert "déjà présentes : 1" in again.stderr
    assert past_world.count("reporter") == 0


def test_ids_are_new_unless_they_are_kept_and_the_sequence_goes_on_behind_them(
    past_world: World, run: Run
) -> None:
    own = int(past_world.posted_id())
    kept = own + 5_000
    assert imported(run, [record(service_request_id=str(kept))]).exit_code == 0
    assert imported(run, [record(service_request_id=str(kept))], "--keep-ids").exit_code == 0
    ids = {int(each["service_request_id"]) for each in listed(past_world)}
    assert ids == {own, own + 1, kept}
    assert int(past_world.posted_id()) == kept + 1
    low = imported(run, [record(service_request_id=str(kept - 1))], "--keep-ids")
    assert low.exit_code == 0
    assert int(past_world.posted_id()) == kept + 2


def test_an_id_that_cannot_be_ours_is_not_kept(past_world: World, run: Run) -> None:
    given = ["0", "-1", "007", "A12", "2147483648", "1.0", "", None]
    result = imported(run, [record(service_request_id=id_) for id_ in given], "--keep-ids")
    assert result.exit_code == 1
    assert result.stderr.count("2147483647") == len(given)
    assert listed(past_world) == []


def test_an_id_in_use_is_refused_even_by_another_jurisdiction(past_world: World, run: Run) -> None:
    taken = past_world.posted_id(**NOGENT_POST)
    result = imported(run, [record(service_request_id=taken)], "--keep-ids")
    assert result.exit_code == 1
    assert "existe déjà" in result.stderr


def test_shadow_data_go_to_the_test_endpoint(past_world: World, run: Run) -> None:
    assert imported(run, [record()], "--test", "--deliver").exit_code == 0
    assert listed(past_world) == []
    assert len(listed(past_world, "/test")) == 1
    assert past_world.count("outbox") == 0


def test_moderated_imports_wait_for_an_agent(past_world: World, run: Run) -> None:
    assert imported(run, [record()], "--moderate").exit_code == 0
    assert listed(past_world) == []
    assert past_world.count("service_request") == 1


@pytest.mark.parametrize("outside", ["refuse", "accept"])
def test_the_policy_of_the_jurisdiction_decides_on_places_outside(
    make_world: Callable[..., World], run: Run, outside: str
) -> None:
    world = make_world(outside=outside)
    result = imported(run, [record(lat=45.0, long=3.0)])
    assert (result.exit_code == 0) == (outside == "accept")
    assert len(listed(world)) == (outside == "accept")


def test_posts_go_on_while_a_file_is_imported(past_world: World, run: Run) -> None:
    """The server and the command write the same database in turn; ids never meet."""
    given = [record(service_request_id=f"R{number}") for number in range(1_200)]
    answers: list[int] = []
    stop = threading.Event()

    def post() -> None:
        while not stop.is_set():
            response = past_world.app.test_client().post(
                "/open311/gentilly.fr/v2/requests.json",
                data={"api_key": past_world.key, "service_code": "proprete", **GENTILLY},
            )
            answers.append(response.status_code)
        past_world.database._drop_held()

    posting = threading.Thread(target=post)
    posting.start()
    try:
        result = imported(run, given)
    finally:
        stop.set()
        posting.join()
    assert result.exit_code == 0, result.stderr
    assert set(answers) == {200}
    assert past_world.count("service_request") == len(given) + len(answers)
