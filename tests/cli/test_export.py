"""`open311 export`: the public documents themselves, on both engines."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from open311.domain.status import Visibility
from open311.formats.bulk_csv import BULK_COLUMNS
from open311.operations.follow_up import erase_request, set_visibility
from tests.cli.transferring import NOGENT_POST, Run, close, fill, imported, listed, record
from tests.conftest import PUBLIC_URL, World


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
