"""Target 8: what a list costs when the installation grows, and deep in the stream of changes."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, Report
from tests.benchmarks.dataset import BIG_CITY
from tests.benchmarks.measure import Case, medians

_BASE = f"/open311/{BIG_CITY}/v2"
_PAGE = 50
_DEEP_ROWS = 4_000


def measure_growth(small: Bench, large: Bench, sizes: tuple[int, int], report: Report) -> None:
    """Compare the same lists on two sizes of installation, interleaved."""
    t = medians(
        {
            "small": small.ours.get(f"{_BASE}/requests.xml"),
            "large": large.ours.get(f"{_BASE}/requests.xml"),
            "first": large.ours.get(f"{_BASE}/requests.xml", f"cursor=0&page_size={_PAGE}"),
            "deep": _deep(large),
        },
        rounds=60,
    )
    name = f"{large.engine}: list of 1000, {sizes[1]:,} rows / {sizes[0]:,} rows, warm"
    report.at_most("8", name, t["large"] / t["small"], 1.3)
    name = f"{large.engine}: cursor page {_DEEP_ROWS:,} rows deep / first page, warm"
    report.at_most("8", name, t["deep"] / t["first"], 1.5)


def _deep(bench: Bench) -> Case:
    """A page of the stream of changes, far from its beginning."""
    _, headers, _ = bench.ours.get(f"{_BASE}/requests.xml", "cursor=0&page_size=1000")()
    for _ in range(_DEEP_ROWS // 1000 - 1):
        query = f"cursor={headers['X-Next-Cursor']}&page_size=1000"
        _, headers, _ = bench.ours.get(f"{_BASE}/requests.xml", query)()
    return bench.ours.get(
        f"{_BASE}/requests.xml", f"cursor={headers['X-Next-Cursor']}&page_size={_PAGE}"
    )
