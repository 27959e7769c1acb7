"""Fairness: dialects of real servers fail in core only for what the standard says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from runs import broken, failures, run_suite

from open311_conformance.model import Level, Profile, Verdict
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import Mutation, Row, drop, each, is_post, statuses
from open311_conformance.proving.serving import reference

OPTIONAL = ("status_notes", "agency_responsible", "service_notice", "expected_datetime")


def wrapped(ask: Ask, answer: Answer) -> None:
    """As the FixMyStreet server does."""
    if ask.fmt == "json" and ask.resource.startswith("requests") and answer.status == 200:
        answer.body = b'{"service_requests":' + answer.body + b"}"


def offset(row: Row) -> None:
    for name in ("requested_datetime", "updated_datetime", "expected_datetime"):
        if row.get(name):
            row[name] = row[name].replace("Z", "+00:00")


def shout(row: Row) -> None:
    row["status"] = row["status"].upper()


def without_optional(row: Row) -> None:
    for name in OPTIONAL:
        drop(name)(row)


def empty_texts(ask: Ask, root: str, content: Any) -> Any:
    """Empty strings where nothing is known, as several JSON servers write."""
    if root == "service_requests" and ask.fmt == "json":
        for row in content:
            for name, value in row.items():
                row[name] = "" if value is None else value
    return content


def quoted(ask: Ask, root: str, content: Any) -> Any:
    """Booleans and coordinates as text in JSON (Helsinki)."""
    if ask.fmt == "json" and root in ("services", "service_requests"):
        for row in content:
            for name in ("metadata", "lat", "long"):
                if row.get(name) is not None:
                    row[name] = str(row[name]).lower()
    return content


def numbered(row: Row) -> None:
    """Ids as numbers, as the examples of the standard print them."""
    row["service_request_id"] = int(row["service_request_id"])


def pages_for_404(ask: Ask, answer: Answer) -> None:
    """The page of the web framework instead of an error body."""
    if answer.status == 404:
        answer.body = b"<!DOCTYPE html><html><body>Not Found</body></html>"
        answer.headers["Content-Type"] = "text/html"


def single_wrapped_errors(ask: Ask, answer: Answer) -> None:
    """As Mark-a-Spot does."""
    if answer.status >= 400 and ask.fmt == "json":
        answer.body = json.dumps({"error": {"code": answer.status, "message": "non"}}).encode()


def old_definition(ask: Ask, answer: Answer) -> None:
    """Attributes directly under the root, as before 2011."""
    if ask.fmt == "xml":
        answer.body = answer.body.replace(b"<attributes>", b"").replace(b"</attributes>", b"")


def moderated(ask: Ask, root: str, content: Any) -> Any:
    """New requests are readable by id, without text, and not listed."""
    if root != "service_requests" or ask.method == "POST":
        return content
    one = ask.resource.startswith("requests/")
    fresh = [row for row in content if int(row.get("service_request_id") or 0) >= 1000]
    for row in fresh:
        row.update(description=None, media_url=None, address=None)
    return content if one else [row for row in content if row not in fresh]


DIALECTS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("wrapped JSON", {"after": wrapped}, {"C-021", "C-210"}),
    ("dates with an offset", {"content": each("service_requests", offset)}, set()),
    ("201 on POST", {"after": statuses(200, 201, is_post)}, set()),
    ("202 on POST", {"after": statuses(200, 202, is_post)}, set()),
    (
        "upper-case status",
        {"content": each("service_requests", shout)},
        {"C-188"},
    ),
    ("absent optional fields", {"content": each("service_requests", without_optional)}, set()),
    ("empty strings", {"content": empty_texts}, set()),
    ("quoted booleans and coordinates", {"content": quoted}, set()),
    (
        "numeric ids",
        {"content": each("service_requests", numbered, lambda ask: ask.method == "GET" and
                         ask.resource.startswith("requests"))},
        set(),
    ),
    ("web pages for 404", {"after": pages_for_404}, {"C-003", "C-004", "C-007", "C-230"}),
    ("wrapped errors", {"after": single_wrapped_errors}, {"C-021", "C-230"}),
    ("attributes without container", {"after": old_definition}, {"C-009", "C-077"}),
    ("pre-moderation", {"content": moderated}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fault", "allowed"), DIALECTS, ids=[it[0] for it in DIALECTS])
def test_a_dialect_fails_in_core_only_for_what_the_standard_says(
    name: str, fault: dict[str, Any], allowed: set[str]
) -> None:
    with reference(Mutation("", name, **fault).into) as url:
        run = run_suite(url, Profile.CORE)
    assert broken(run) == {}
    assert failures(run) <= allowed
    if allowed:
        assert failures(run), "the dialect breaks the standard and nothing noticed"


@pytest.mark.parametrize("status", [201, 202])
def test_another_success_status_is_a_warning(status: int) -> None:
    with reference(Mutation("", "", after=statuses(200, status, is_post)).into) as url:
        run = run_suite(url, Profile.FR)
    assert run.outcomes["C-105"].verdict is Verdict.PASSED
    assert str(status) in " ".join(run.outcomes["C-105"].warnings)


def test_what_the_standard_leaves_open_never_fails() -> None:
    def without_extras(ask: Ask) -> Answer | None:
        if "callback" in dict(ask.query) or not ask.fmt:
            return Answer(500, b"<html>panne</html>", {"Content-Type": "text/html"})
        return None

    with reference(Mutation("", "", before=without_extras).into) as url:
        run = run_suite(url, Profile.FR)
    may = [it for it in run.outcomes.values() if it.clause.level is Level.MAY]
    assert {it.verdict for it in may} <= {Verdict.REPORTED, Verdict.NOT_TESTED}
    assert failures(run) == set()


def test_pre_moderation_is_detected_and_tested() -> None:
    with reference(Mutation("", "", content=moderated).into) as url:
        run = run_suite(url)
    assert run.outcomes["X-16"].verdict is Verdict.PASSED
    assert failures(run) == set()


def test_a_second_run_on_the_same_server_says_the_same() -> None:
    """What a run leaves behind (requests, updates, tokens) must not disturb the next one."""
    with reference() as url:
        runs = [run_suite(url) for _ in range(2)]
    assert [failures(run) for run in runs] == [set(), set()]
    verdicts = [{name: it.verdict for name, it in run.outcomes.items()} for run in runs]
    assert verdicts[0] == verdicts[1]
