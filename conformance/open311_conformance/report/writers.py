"""The formats of the report, by name."""

from __future__ import annotations

import json
from collections.abc import Callable

from open311_conformance.report import html, junit, terminal
from open311_conformance.report.findings import Findings


def _json(found: Findings) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[[Findings], str]] = {
    "text": terminal.write,
    "json": _json,
    "junit": junit.write,
    "html": html.write,
}
