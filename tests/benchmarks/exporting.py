"""Target 14: an export's peak memory whatever its size, and its speed against nginx."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from open311.formats.bulk_georeport import join_lists
from open311.operations.transfer_export import Window, export_lists
from tests.benchmarks.bench import Bench, Report
from tests.benchmarks.measure import medians

_MIB = 1024 * 1024


def measure_export(bench: Bench, folder: Path, report: Report) -> None:
    """Report memory and throughput of a whole jurisdiction's XML export."""
    say = f"{bench.engine}: export"
    size = sum(len(part) for part in _export(bench))
    report.at_most("14", f"{say} of {size // _MIB} MiB, peak MiB", _peak_bytes(bench) / _MIB, 8)
    name = f"{say} / nginx serving the same bytes, throughput"
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        report.skipped("14", name, "no nginx on this machine")
        return
    file = folder / "export.xml"
    file.write_bytes(b"".join(_export(bench)))
    with _serving(nginx, folder) as url, requests.Session() as session:
        t = medians(
            {
                "ours": lambda: sum(len(part) for part in _export(bench)),
                "nginx": lambda: len(session.get(f"{url}/export.xml", timeout=60).content),
            },
            rounds=15,
        )
    report.at_least("14", name, t["nginx"] / t["ours"], 0.4)


def _export(bench: Bench) -> Iterator[bytes]:
    nothing = lambda _: None  # noqa: E731
    lists = export_lists(
        bench.database, bench.side, Window(), "xml", extensions=False, advance=nothing
    )
    return join_lists("xml", lists)


def _peak_bytes(bench: Bench) -> int:
    tracemalloc.start()
    for _ in _export(bench):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@contextmanager
def _serving(nginx: str, folder: Path) -> Iterator[str]:
    """One nginx worker over a folder, on a free port of the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port), encoding="utf-8")
    server = subprocess.Popen(
        [nginx, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    )
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("nginx does not answer")


_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; user root;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
