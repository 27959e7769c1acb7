"""open311 export and open311 import, on both engines, through the command itself."""

from __future__ import annotations

import csv
import io
import json
import threading
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from open311.cli import main
from open311.domain.status import Stage, Visibility
from open311.formats.bulk_csv import BULK_COLUMNS
from open311.operations.follow_up import Step, erase_request, set_visibility, take_step
from tests.conftest import GENTILLY, NOGENT, PUBLIC_URL, Clock, World

Run = Callable[..., Result]

NOGENT_POST = {"base": "/open311/nogent-sur-marne.fr/v2", "service_code": "102", **NOGENT}
#: Files are held against the real clock of the command: their dates lie well before it.
PAST = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def past_world(clock: Clock, make_world: Callable[..., World]) -> World:
    clock.now = PAST
    return make_world()


@pytest.fixture
def run(database_url: str, past_world: World, tmp_path: Path) -> Run:
    """The command, on the world's own database, beside the application that serves it."""
    environment = {
        "OPEN311_DATABASE_URL": database_url.replace("+psycopg", ""),
        "OPEN311_MEDIA_URL": str(tmp_path / "media"),
        "OPEN311_PUBLIC_URL": PUBLIC_URL,
    }

    def call(*arguments: str, input: bytes | None = None) -> Result:
        given = [*arguments, "-j", "gentilly.fr"]
        return CliRunner().invoke(main, given, input=input, env=environment)

    return call


def imported(run: Run, content: bytes | str | list[dict[str, Any]], *options: str) -> Result:
    """Import a content as JSON, unless the options say otherwise."""
    if isinstance(content, list):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode()
    if "--format" not in options:
        options = (*options, "--format", "json")
    return run("import", "-", *options, input=content)


def record(**values: Any) -> dict[str, Any]:
    """A request as another server shows it."""
    return {
        "service_request_id": "2024-0042",
        "status": "open",
        "service_code": "proprete",
        "description": "Trottoir sale",
        "requested_datetime": "2024-05-02T08:00:00+02:00",
        "updated_datetime": "2024-05-03T08:00:00+02:00",
        "lat": 48.8130,
        "long": 2.3444,
    } | values


def listed(world: World, environment: str = "", **query: Any) -> list[dict[str, Any]]:
    base = f"/open311/gentilly.fr{environment}/v2"
    response = world.get("/requests.json", base, cursor="0", extensions="true", **query)
    assert response.status_code == 200, response.text
    return list(response.json)


def fill(world: World, count: int) -> list[str]:
    """Requests of every sort that a list may show, by rising id."""
    texts = ("Bancs <abîmés> & sales", '=HYPERLINK("http://x")', "deux\nlignes", '😀 ; , \t"')
    return [
        world.posted_id(
            service_code="chaussee", description=texts[number % 4], address_string=f"{number}, rue",
            channel="web", **{"attribute[PLACE]": "road"},
        )
        for number in range(count)
    ]  # fmt: skip


def close(world: World, id_: str, **step: Any) -> None:
    world.clock.advance(hours=1)
    world.database.write(
        lambda c: take_step(
            c, world.side(), int(id_), Step(Stage.DONE, **step), public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )  # fmt: skip


@pytest.mark.parametrize("extensions", [False, True])
@pytest.mark.parametrize("format_", ["json", "xml", "geojson"])
def test_an_export_is_the_public_documents_themselves(
    past_world: World, run: Run, format_: str, extensions: bool
) -> None:
    ids = fill(past_world, 5)
    close(past_world, ids[1], note="Fait")
    flag = ["--extensions"] if extensions else []
    result = run("export", "--format", format_, *flag)
    assert result.exit_code == 0, result.stderr
    query = {"service_request_id": ",".join(ids), "extensions": str(extensions).lower()}
    listing = past_world.get(f"/requests.{format_}", **query).data
    assert_same_documents(format_, result.stdout_bytes, listing)


def assert_same_documents(format_: str, exported: bytes, listing: bytes) -> None:
    """The same items, byte for byte but for their order (lists begin with the newest)."""
    if format_ == "xml":
        items = [
            sorted(etree.tostring(each) for each in etree.fromstring(body))
            for body in (exported, listing)
        ]
    else:
        parsed = [json.loads(body) for body in (exported, listing)]
        lists = [each["features"] if format_ == "geojson" else each for each in parsed]
        items = [sorted(json.dumps(item).encode() for item in each) for each in lists]
    assert items[0] == items[1]
    assert len(exported) == len(listing)


def test_an_export_shows_what_lists_show_and_nothing_else(past_world: World, run: Run) -> None:
    shown, hidden, erased = fill(past_world, 3)
    past_world.post(base="/open311/gentilly.fr/test/v2", api_key=past_world.test_key)
    past_world.posted_id(**NOGENT_POST)
    side, now = past_world.side(), past_world.clock.now
    past_world.database.write(
        lambda c: set_visibility(
            c, side, int(hidden), Visibility.SPAM, public_url=PUBLIC_URL, now=now
        )
    )
    database, media = past_world.database, past_world.media
    erase_request(database, media, side, int(erased), public_url=PUBLIC_URL, now=now)
    result = run("export", "--format", "json")
    assert [each["service_request_id"] for each in json.loads(result.stdout)] == [shown]
    of_test = json.loads(run("export", "--format", "json", "--test").stdout)
    assert len(of_test) == 1
    assert of_test[0]["service_code"] == "proprete"


@pytest.mark.parametrize("format_", ["csv", "json", "xml", "geojson"])
def test_an_empty_export_is_a_whole_document(past_world: World, run: Run, format_: str) -> None:
    result = run("export", "--format", format_)
    assert result.exit_code == 0, result.stderr
    if format_ == "csv":
        assert result.stdout.count("\n") == 1
    elif format_ == "xml":
        assert len(etree.fromstring(result.stdout_bytes)) == 0
    else:
        found = json.loads(result.stdout)
        assert (found["features"] if format_ == "geojson" else found) == []


def test_since_and_until_bound_the_date_of_the_request_both_included(
    past_world: World, run: Run
) -> None:
    ids = []
    for _ in range(4):
        ids += fill(past_world, 1)
        past_world.clock.advance(days=1)
    result = run("export", "--format", "json", "--since", "2025-03-02", "--until", "2025-03-03")
    assert [each["service_request_id"] for each in json.loads(result.stdout)] == ids[1:3]


def test_the_csv_has_the_columns_of_georeport_bulk_and_runs_no_formula(
    past_world: World, run: Run
) -> None:
    ids = fill(past_world, 4)
    close(past_world, ids[1], note="+33 1 23")
    result = run("export")
    rows = list(csv.reader(io.StringIO(result.stdout, newline="")))
    assert tuple(rows[0]) == BULK_COLUMNS
    found = dict(zip(BULK_COLUMNS, rows[2], strict=True))
    assert found == {
        "service_request_id": ids[1],
        "requested_datetime": "2025-03-01T09:30:00Z",
        "updated_datetime": "2025-03-01T10:30:00Z",
        "closed_date": "2025-03-01T10:30:00Z",
        "status_description": "closed",
        "status_notes": "'+33 1 23",
        "source": "web",
        "service_name": "Chaussée ou trottoir abîmé",
        "service_subtype": "Chaussée",
        "description": '\'=HYPERLINK("http://x")',
        "agency_responsible": found["agency_responsible"],
        "address": "1, rue",
        "lat": "48.813",
        "long": "2.3444",
    }
    assert rows[3][9] == "deux\nlignes"
    assert not result.stdout_bytes.startswith(b"\xef\xbb\xbf")
    assert run("export", "--bom").stdout_bytes.startswith(b'\xef\xbb\xbf"service_request_id"')


def test_the_public_csv_holds_no_reporter_and_the_internal_one_warns(
    past_world: World, run: Run
) -> None:
    past_world.posted_id(email="lea@example.fr", last_name="=Durand")
    public, internal = run("export"), run("export", "--internal")
    assert "lea@example.fr" not in public.stdout
    assert "ATTENTION" not in public.stderr
    assert "ATTENTION" in internal.stderr
    row = next(csv.DictReader(io.StringIO(internal.stdout, newline="")))
    assert (row["email"], row["last_name"]) == ("lea@example.fr", "'=Durand")


def test_an_export_to_a_file_has_its_name_once_it_is_whole(
    past_world: World, run: Run, tmp_path: Path
) -> None:
    fill(past_world, 2)
    target = tmp_path / "demandes.json"
    result = run("export", "--format", "json", "-o", str(target))
    assert len(json.loads(target.read_bytes())) == 2
    assert result.stdout == ""
    assert not list(tmp_path.glob("*.part"))


def test_an_export_needs_the_same_memory_whatever_its_size(
    past_world: World, run: Run, tmp_path: Path
) -> None:
    """Performance target 14: 8 MB at most, here with descriptions of 4,000 characters."""
    count = 2_000
    body = json.dumps(
        [record(service_request_id=str(n), description="é" * 4000) for n in range(count)]
    )
    assert imported(run, body).exit_code == 0
    tracemalloc.start()
    try:
        result = run("export", "--format", "xml", "-o", "/dev/null.part/x")  # warms imports up
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        target = Path(past_world.media._root).parent / "out.xml"
        result = run("export", "--format", "xml", "-o", str(target))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert result.exit_code == 0
    assert target.stat().st_size > 9_000_000
    assert peak < 8_000_000


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


_SHAPES = {
    "bare": lambda items: items,
    "wrapped": lambda items: {"service_requests": items},
    "wrapped after other keys": lambda items: {"total": 2, "m": {"a": [1]}, "requests": items},
    "an image of the XML": lambda items: {"service_requests": {"request": items}},
}


def test_json_is_read_bare_or_wrapped(past_world: World, run: Run) -> None:
    for name, shape in _SHAPES.items():
        content = json.dumps(shape([record(description=name), record(description=name)]))
        assert imported(run, b"\xef\xbb\xbf" + content.encode()).exit_code == 0
    found = sorted(each["description"] for each in listed(past_world))
    assert found == sorted([*_SHAPES, *_SHAPES])


def test_a_foreign_csv_is_read_by_mapping_its_columns(
    past_world: World, run: Run, tmp_path: Path
) -> None:
    """Semicolons, Windows-1252, a French decimal comma, its own names for everything."""
    content = (
        "objectid;kategorie;datum;text;y;x;zustand;note\r\n"
        '7;Dépôt;2024-05-02 08:00:00+02:00;"canapé ; tapis\r\nsuite";48,813;2,3444;offen;=1+1\r\n'
    ).encode("cp1252")
    services = tmp_path / "services.csv"
    services.write_text("Dépôt,depot-sauvage\n", encoding="utf-8")
    names = {
        "objectid": "service_request_id", "kategorie": "service_code", "text": "description",
        "datum": "requested_datetime", "y": "lat", "x": "long", "zustand": "status", "note": "",
    }  # fmt: skip
    columns = [f"--columns={theirs}={ours}" for theirs, ours in names.items()]
    result = imported(
        run, content, "--format", "csv", *columns, "--map-services", str(services),
        "--status", "offen=received",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (found,) = listed(past_world)
    assert found["description"] == "canapé ; tapis\nsuite"
    assert found["service_code"] == "depot-sauvage"
    assert (found["lat"], found["long"]) == (48.813, 2.3444)
    assert found["requested_datetime"] == "2024-05-02T06:00:00Z"


_KEPT = (
    "status",
    "description",
    "requested_datetime",
    "updated_datetime",
    "lat",
    "long",
    "address",
)


@pytest.mark.parametrize("format_", ["csv", "json", "xml", "geojson"])
def test_what_is_exported_can_be_imported_elsewhere(
    past_world: World, run: Run, format_: str, tmp_path: Path
) -> None:
    ids = fill(past_world, 4)
    close(past_world, ids[2], note="Fait\nbien")
    extensions = [] if format_ == "csv" else ["--extensions"]
    exported = run("export", "--format", format_, *extensions).stdout_bytes
    file = tmp_path / f"demandes.{format_}"
    file.write_bytes(exported)
    result = run("import", str(file), "--test")
    assert result.exit_code == 0, result.stderr

    def seen(environment: str) -> list[tuple[Any, ...]]:
        rows = listed(past_world, environment)
        return sorted(tuple(each[name] for name in _KEPT) for each in rows)

    assert seen("/test") == seen("")
    (closed,) = (each for each in listed(past_world, "/test") if each["status"] == "closed")
    assert closed["status_notes"] == "Fait\nbien"
    if format_ != "csv":
        attributes = closed["extended_attributes"]["attributes"]
        assert [(given["code"], given["value"]) for given in attributes] == [("PLACE", "road")]
        assert closed["extended_attributes"]["channel"] == "web"


_BROKEN = {
    "json cut short": ("json", json.dumps([record()] * 3).encode()[:-30]),
    "not json": ("json", b"<html>"),
    "xml cut short": ("xml", b"<service_requests><request><service_code>"),
    "a document type": (
        "xml",
        (b'<!DOCTYPE r [<!ENTITY a "b">]><service_requests><request>'
        b"<service_code>&a;</service_code></request></service_requests>"),
    ),
    "billion laughs": (
        "xml",
        (b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><r>&c;</r>'),
    ),
    "external entity": (
        "xml",
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><service_requests><request>'
        b"<description>&x;</description></request></service_requests>"),
    ),
}  # fmt: skip


def test_a_broken_or_hostile_file_is_told_in_a_sentence(past_world: World, run: Run) -> None:
    for name, (format_, content) in _BROKEN.items():
        result = imported(run, content, "--format", format_)
        assert result.exit_code == 1, name
        assert "le reste n'a pas été lu" in result.stderr, name
        assert "root:" not in result.output
    assert len(listed(past_world)) == 2, "what stands before the break was read"


@pytest.mark.parametrize("engine", ["sqlite"])
def test_an_import_of_many_needs_little_memory(past_world: World, run: Run, tmp_path: Path) -> None:
    """A batch is held, never the file: here 10 MB of text in 2,500 requests of the XML list."""
    text = "œ" * 2000
    item = (
        "<request><service_request_id>{}</service_request_id><service_code>proprete</service_code>"
        f"<description>{text}</description><requested_datetime>2024-05-02</requested_datetime>"
        "<lat>48.813</lat><long>2.3444</long></request>"
    )
    file = tmp_path / "many.xml"
    body = "".join(item.format(number) for number in range(2_500))
    file.write_text(f"<service_requests>{body}</service_requests>", encoding="utf-8")
    del body
    run("import", str(file), "--dry-run")  # warms imports up
    tracemalloc.start()
    try:
        result = run("import", str(file), "--dry-run")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "seraient importées : 2500" in result.stderr
    assert peak < 8_000_000


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


def test_refusals_of_the_command_line_teach(run: Run, tmp_path: Path) -> None:
    for arguments, words in {
        ("export", "--format", "xml", "--internal"): "--format csv",
        ("export", "--since", "hier"): "ISO 8601",
        ("import", "-"): "--format",
        ("import", str(tmp_path / "rien.csv")): "rien.csv",
    }.items():
        result = run(*arguments)
        assert result.exit_code != 0
        assert words in result.stderr, arguments
