"""`open311 import` of files as other programs write them: shapes, sizes, and hostile ones."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from tests.cli.transferring import Run, imported, listed, record
from tests.conftest import World

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
