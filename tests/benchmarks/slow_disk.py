"""Target 12: many durable POSTs on a disk whose every fsync takes 2 ms more.

This machine's disk may be unrealistically fast; a preloaded shim (compiled here from
a few lines of C) slows fsync and fdatasync down, for SQLite in a process of its own,
for PostgreSQL in the server's processes. The application runs as `open311 serve` runs
it: as many processes and threads, a client beyond them waits for its turn.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from open311.config.settings import Settings
from tests.benchmarks.bench import Bench, Report, benched
from tests.benchmarks.measure import Case
from tests.benchmarks.writing import post_case
from tests.postgres import PrivateCluster

CLIENTS = 16
_FSYNC_MS = 2
_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    usleep(2000);
    return real(fd);
}
int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    usleep(2000);
    return real(fd);
}
"""


def measure_slow_disk(engine: str, report: Report) -> None:
    """Report throughput and tail latency of 16 clients on a slow disk."""
    name = f"{engine}: 16 clients / 1 client, {_FSYNC_MS} ms fsync, POST per second"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        report.skipped("12", name, "no C compiler for the shim")
        return
    with tempfile.TemporaryDirectory(prefix="open311-slow-") as folder:
        # The unprivileged PostgreSQL must be able to load the shim.
        Path(folder).chmod(0o755)
        shim = _compile(compiler, Path(folder))
        measured = _measure(engine, shim, Path(folder))
    ratio = measured["per_second_many"] / measured["per_second_one"]
    report.at_least("12", name, ratio, 3.5)
    fsyncs = measured["p99_s"] / measured["fsync_s"]
    report.at_most("12", f"{engine}: p99 of 16 clients / one slow fsync", fsyncs, 20)
    report.at_most("12", f"{engine}: errors", measured["errors"], 0)


def _compile(compiler: str, folder: Path) -> Path:
    source, shim = folder / "slow.c", folder / "slow.so"
    source.write_text(_SHIM, encoding="utf-8")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"]
    subprocess.run(command, check=True)
    shim.chmod(0o755)
    return shim


def _measure(engine: str, shim: Path, folder: Path) -> dict[str, float]:
    if engine == "SQLite":
        return _in_process_of_its_own(f"sqlite:///{folder}/slow.sqlite3", folder, str(shim))
    with PrivateCluster(environment={"LD_PRELOAD": str(shim)}) as cluster:
        return _in_process_of_its_own(cluster.create_database("slow"), folder, str(shim))


def _in_process_of_its_own(url: str, folder: Path, preload: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.slow_disk", url, str(folder)]
    environment = {**os.environ, "LD_PRELOAD": preload}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _main(url: str, folder: Path) -> None:
    """The measured process: POST through the application, one client, then sixteen."""
    from tests.benchmarks import dataset

    dataset.BIG_CITY_ROWS = 100
    engine = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    with benched(engine, url, folder, 200, pool_size=CLIENTS) as bench:
        fsync_s = _slow_fsync(folder)
        one = _served(bench, url, clients=1, posts=300)
        many = _served(bench, url, clients=CLIENTS, posts=150)
    result = {
        "per_second_one": one.per_second,
        "per_second_many": many.per_second,
        "p99_s": sorted(many.latencies)[int(len(many.latencies) * 0.99)],
        "fsync_s": fsync_s,
        "errors": one.errors + many.errors,
    }
    print(json.dumps(result))


class _Run(NamedTuple):
    """What some clients saw."""

    per_second: float
    latencies: list[float]
    errors: int


def _served(bench: Bench, url: str, *, clients: int, posts: int) -> _Run:
    """Clients shared among as many processes as the server would have."""
    settings = Settings(database_url=url)
    count = min(clients, settings.worker_count(os.cpu_count() or 1))
    post = post_case(bench)
    if count == 1:
        return _run(post, clients, posts, settings.thread_count)
    # A copied process must not share the connections of this one.
    bench.database.close()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def process() -> None:
        answers.put(_run(post, clients // count, posts, settings.thread_count))

    processes = [context.Process(target=process) for _ in range(count)]
    for each in processes:
        each.start()
    runs = [answers.get() for _ in processes]
    for each in processes:
        each.join()
    return _Run(
        sum(run.per_second for run in runs),
        [latency for run in runs for latency in run.latencies],
        sum(run.errors for run in runs),
    )


def _run(post: Case, clients: int, posts: int, threads: int) -> _Run:
    """Clients in one process, of whom `threads` are served at once; the others wait."""
    latencies: list[float] = []
    errors: list[str] = []
    served = threading.Semaphore(threads)

    def client() -> None:
        for _ in range(posts):
            start = time.perf_counter()
            with served:
                status = post()[0]
            latencies.append(time.perf_counter() - start)
            if not status.startswith("200"):
                errors.append(status)

    started = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return _Run(len(latencies) / (time.perf_counter() - start), latencies, len(errors))


def _slow_fsync(folder: Path) -> float:
    """Median seconds of one fsync of one page on this disk, slowed as it is."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
