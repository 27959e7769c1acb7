"""Logs: one event is one line, and no line holds what a citizen wrote."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from open311.config.settings import Settings
from open311.http import door, errors
from open311.http.logs import configure_logs
from open311.http.views import posting
from tests.conftest import World

SECRETS = ("Élodie", "elodie@example.org", "o311_", "48.813", "secret-token")


class Lines:
    """What was written on standard error, one line at a time."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured, self._read = captured, ""

    def __call__(self) -> list[str]:
        self._read += self._captured.readouterr().err
        return self._read.splitlines()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self()]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    _forget_loggers()
    yield Lines(capsys)
    root.handlers[:], root.level = kept
    structlog.reset_defaults()
    _forget_loggers()


def _forget_loggers() -> None:
    """Each module keeps the logger that it first used, as a server process does."""
    for logger in (door._access_log, errors._log, posting._log):
        vars(logger).pop("bind", None)


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_post_leaves_one_line_without_what_it_carried(
    lines: Lines, make_world: Callable[..., World], form: str
) -> None:
    configure_logs(form, "INFO")
    world = make_world(Settings(log_format=form, log_level="INFO"))
    id_ = world.posted_id(
        description="Élodie\nChez elle", email="elodie@example.org", first_name="Élodie"
    )
    world.get("/requests.json", q="Élodie", api_key=world.key)
    world.client.get(f"/open311/gentilly.fr/v2/requests/{id_}.json?x=secret-token")
    assert len(lines()) == 3
    assert "/open311/gentilly.fr/v2/requests.json" in lines()[0]
    assert not [secret for secret in SECRETS if secret in "\n".join(lines())]


def test_above_info_requests_leave_no_line(lines: Lines, make_world: Callable[..., World]) -> None:
    configure_logs("json", "WARNING")
    world = make_world(Settings(log_level="WARNING"))
    world.posted_id()
    assert lines() == []


def test_unknown_attribute_codes_are_told_to_the_operator_codes_alone_and_few(
    lines: Lines, make_world: Callable[..., World]
) -> None:
    """C-121: ignored with a log line; a client may write anything where a code stands."""
    configure_logs("json", "INFO")
    world = make_world(Settings(log_level="INFO"))
    hostile = ("elodie@example.org", "Élodie", "48.813", "o311_x y", "L" * 41)
    sent = {f"attribute[{code}]": "secret-token" for code in ("TAILLE", "B2", *hostile)}
    world.posted_id(**sent)
    (event,) = [each for each in lines.events() if "codes" in each]
    assert (event["codes"], event["count"], event["service_code"]) == (
        ["B2", "TAILLE"],
        7,
        "proprete",
    )
    assert not [secret for secret in (*SECRETS, *hostile) if secret in "\n".join(lines())]
    world.posted_id(**{f"attribute[C{number}]": "1" for number in range(300)})
    assert [len(each["codes"]) for each in lines.events() if "codes" in each] == [2, 10]


def test_an_unexpected_error_is_told_by_kind_and_place_only(
    lines: Lines, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs("json", "WARNING")

    def breaks(*_: object, **__: object) -> None:
        description = "Élodie elodie@example.org"
        try:
            raise ValueError(description)  # noqa: TRY301
        except ValueError as error:
            raise IntegrityError("INSERT", {"email": description}, error) from error

    monkeypatch.setattr("open311.http.views.posting.post_service_request", breaks)
    assert world.post(description="Élodie").status_code == 500
    (event,) = [each for each in lines.events() if each["level"] == "error"]
    assert event["error"].startswith("IntegrityError < ValueError")
    assert any(place.endswith("breaks") for place in event["places"])
    assert not [secret for secret in SECRETS if secret in "\n".join(lines())]


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_libraries_say_is_one_line_too(lines: Lines, form: str) -> None:
    configure_logs(form, "INFO")
    try:
        raise RuntimeError("secret-token")  # noqa: TRY301
    except RuntimeError:
        logging.getLogger("library").exception("two\nlines")
    logging.getLogger("library").info("chatter")
    assert len(lines()) == 1
    assert "RuntimeError" in lines()[0]
    assert "secret-token" not in lines()[0]
