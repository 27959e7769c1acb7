"""Targets 1 to 5, 7 and 13: what a list, a page, a 304, one request and gzip cost."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from isal import igzip

from open311.storage import sql
from open311.storage.types import to_utc_text
from tests.benchmarks.bench import HELLO, Bench, Report
from tests.benchmarks.dataset import BIG_CITY, NOW
from tests.benchmarks.measure import Case, medians

_BASE = f"/open311/{BIG_CITY}/v2"
_COLUMNS = ", ".join(
    f"r.{column.name}"
    for column in sql.table_of("service_request").columns
    if column.name not in ("photos", "attributes", "media_urls", "api_key_id", "title")
)


def measure_reading(bench: Bench, report: Report) -> None:
    """Measure and report every reading target of one engine."""
    _check_same_documents(bench)
    sqlite = bench.engine == "SQLite"
    t = medians(_cases(bench), rounds=40)
    small = medians(_small_cases(bench), rounds=400)
    say = f"{bench.engine}: "
    report.at_most(
        "1", say + "XML list of 1000 / RAW", t["xml"] / t["raw"], 0.6 if sqlite else 1.25
    )
    ratio = t["naive xml"] / t["xml"]
    report.at_least("2", say + "NAIVE XML list / ours", ratio, 30 if sqlite else 15)
    ratio = t["naive json"] / t["json"]
    report.at_least("3", say + "NAIVE JSON list / ours", ratio, 25 if sqlite else 13)
    ratio = small["naive page"] / small["page"]
    report.at_least("3", say + "NAIVE JSON page of 50 / ours", ratio, 10 if sqlite else 7)
    report.at_most("4", say + "XML list / JSON list", t["xml"] / t["json"], 1.25)
    ratio = t["naive json"] / small["304"]
    report.at_least("5", say + "NAIVE JSON list / our 304", ratio, 200 if sqlite else 100)
    ratio = small["304"] / small["hello"]
    report.at_most("5", say + "our 304 / HELLO", ratio, 2 if sqlite else 4)
    ratio = small["naive one"] / small["one"]
    report.at_least("7", say + "NAIVE one request / ours", ratio, 4)
    ratio = small["one"] / small["hello"]
    report.at_most("7", say + "one request / HELLO", ratio, 2 if sqlite else 3.5)
    report.at_most("7", say + "service list / HELLO", small["services"] / small["hello"], 1.1)
    _measure_gzip(bench, report, t["raw"])


def _cases(bench: Bench) -> dict[str, Case]:
    return {
        "raw": _raw(bench),
        "xml": bench.ours.get(f"{_BASE}/requests.xml"),
        "json": bench.ours.get(f"{_BASE}/requests.json"),
        "naive xml": bench.naive.get("/requests.xml"),
        "naive json": bench.naive.get("/requests.json"),
    }


def _small_cases(bench: Bench) -> dict[str, Case]:
    _, headers, _ = bench.ours.get(f"{_BASE}/requests.json")()
    id_ = _some_id(bench)
    return {
        "hello": bench.ours.get(HELLO),
        "page": bench.ours.get(f"{_BASE}/requests.json", "page_size=50"),
        "naive page": bench.naive.get("/requests.json", "page_size=50"),
        "304": bench.ours.get(f"{_BASE}/requests.json", HTTP_IF_NONE_MATCH=headers["ETag"]),
        "one": bench.ours.get(f"{_BASE}/requests/{id_}.json"),
        "naive one": bench.naive.get(f"/requests/{id_}.json"),
        "services": bench.ours.get(f"{_BASE}/services.json"),
    }


def _raw(bench: Bench) -> Callable[[], int]:
    """RAW: the driver fetches all columns that the standard shows, of the same rows."""
    statement = (
        f"SELECT {_COLUMNS} FROM service_request r JOIN (SELECT request_key, requested_datetime "
        "FROM public_document WHERE shown = 'list' AND jurisdiction_key = :key "
        "AND requested_datetime >= :start ORDER BY requested_datetime DESC LIMIT 1000) d "
        "ON d.request_key = r.request_key ORDER BY d.requested_datetime DESC"
    )
    start = to_utc_text(NOW.replace(month=8, day=18))
    parameters = {"key": bench.side.scope.jurisdiction_key, "start": start}
    return lambda: len(bench.database.rows(statement, parameters))


def _some_id(bench: Bench) -> int:
    found = bench.database.first(
        "SELECT max(service_request_id) FROM service_request WHERE jurisdiction_key = :key",
        {"key": bench.side.scope.jurisdiction_key},
    )
    assert found is not None
    return int(found[0])


def _check_same_documents(bench: Bench) -> None:
    """No ratio means anything unless both give the same requests."""
    import json

    ours = json.loads(bench.ours.get(f"{_BASE}/requests.json")()[2])
    naive = json.loads(bench.naive.get("/requests.json")()[2])
    assert len(ours) == 1000, len(ours)
    assert {each["service_request_id"] for each in ours} == {
        each["service_request_id"] for each in naive
    }
    assert ours[0] == {name: naive[0][name] for name in ours[0]}
    assert _raw(bench)() == 1000


def _measure_gzip(bench: Bench, report: Report, raw_s: float) -> None:
    body = bench.ours.get(f"{_BASE}/requests.json")()[2]
    t = medians(
        {
            "isal": lambda: igzip.compress(body, compresslevel=1),
            "zlib": lambda: zlib.compress(body, 6),
        },
        rounds=40,
    )
    report.at_most("13", f"{bench.engine}: gzip of a list / RAW", t["isal"] / raw_s, 0.3)
    report.at_least("13", f"{bench.engine}: zlib 6 / our gzip", t["zlib"] / t["isal"], 8)
