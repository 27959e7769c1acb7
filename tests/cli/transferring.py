"""Requests that tests export from Gentilly and import into it through the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from click.testing import Result

from open311.domain.status import Stage
from open311.operations.follow_up import Step, take_step
from tests.conftest import NOGENT, PUBLIC_URL, World

Run = Callable[..., Result]

NOGENT_POST = {"base": "/open311/nogent-sur-marne.fr/v2", "service_code": "102", **NOGENT}

#: Files are held against the real clock of the command: their dates lie well before it.
PAST = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


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
