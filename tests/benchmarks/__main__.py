"""`python -m tests.benchmarks [--size N]`: every target of the server, on both engines."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from tests.benchmarks.bench import Bench, Report, benched
from tests.benchmarks.delivering import measure_delivering
from tests.benchmarks.exporting import measure_export
from tests.benchmarks.growth import measure_growth
from tests.benchmarks.reading import measure_reading
from tests.benchmarks.slow_disk import measure_slow_disk
from tests.benchmarks.writing import measure_writing
from tests.postgres import PrivateCluster

ENGINES = ("SQLite", "PostgreSQL")


def main() -> int:
    """Run what was asked; 0 when no target is short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="requests to generate")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="one engine only")
    arguments = parser.parse_args()
    # One line for each target: the log lines of what is measured go nowhere.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    report, start = Report(), time.monotonic()
    for engine in arguments.engine or ENGINES:
        with tempfile.TemporaryDirectory(prefix="open311-bench-") as folder:
            _run(engine, Path(folder), arguments.size, report)
    minutes = (time.monotonic() - start) / 60
    print(f"{report.short} short, in {minutes:.1f} min, {arguments.size:,} requests")
    return 1 if report.short else 0


def _run(engine: str, folder: Path, size: int, report: Report) -> None:
    sizes = (size // 10, size)
    with ExitStack() as stack:
        urls = stack.enter_context(_databases(engine, folder))
        benches: list[Bench] = []
        for number, rows in enumerate(sizes):
            print(f"... {engine}: generating {rows:,} requests", flush=True)
            media = folder / str(number)
            benches.append(stack.enter_context(benched(engine, urls[number], media, rows)))
        small, large = benches
        measure_reading(large, report)
        measure_growth(small, large, sizes, report)
        measure_export(large, folder, report)
        measure_writing(large, report)
    measure_slow_disk(engine, report)
    measure_delivering(engine, report)


@contextmanager
def _databases(engine: str, folder: Path) -> Iterator[list[str]]:
    """URLs of two empty databases."""
    if engine == "SQLite":
        yield [f"sqlite:///{folder}/{name}.sqlite3" for name in ("small", "large")]
        return
    with PrivateCluster() as cluster:
        yield [cluster.create_database(name) for name in ("small", "large")]


if __name__ == "__main__":
    sys.exit(main())
