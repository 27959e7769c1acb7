"""How things are timed: cases interleaved in random order, medians, ratios."""

from __future__ import annotations

import gc
import io
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Case = Callable[[], Any]


def medians(
    cases: Mapping[str, Case],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each case; every round runs all of them in a new order.

    Args:
        clock: `time.process_time` counts the seconds that this process is on a
            processor, all threads together, and not those that a disk takes.
    """
    chance = random.Random(1)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
        case()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            names = list(cases)
            chance.shuffle(names)
            for name in names:
                start = clock()
                cases[name]()
                times[name].append(clock() - start)
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}


class Wsgi:
    """Calls a WSGI application in process, as a server would, and reads the whole body."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def get(self, path: str, query: str = "", **headers: str) -> Case:
        """A case that GETs one address."""
        return self.request("GET", path, query, **headers)

    def request(
        self, method: str, path: str, query: str = "", body: bytes = b"", **headers: str
    ) -> Case:
        """A case that sends one request; headers in WSGI's names."""
        fixed = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "open311.test",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "open311.test",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **headers,
        }

        def call() -> tuple[str, dict[str, str], bytes]:
            told: list[Any] = []
            environ = {**fixed, "wsgi.input": io.BytesIO(body)}
            answer = self._application(environ, lambda *args: told.extend(args))
            content = b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
            return told[0], dict(told[1]), content

        return call
