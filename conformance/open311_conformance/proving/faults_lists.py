"""Mutations of the request list, of one request and of errors, and of extensions."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from open311_conformance.proving.faults_writing import refusal
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import (
    Content,
    Mutation,
    Row,
    drop,
    each,
    is_list,
    is_one,
    is_post,
    put,
    statuses,
    substitute,
    without,
)

DATES = ("start_date", "end_date")


def listed(change: Any, when: Any = lambda _: True) -> Content:
    """Change the rows of list answers; the change returns the new rows."""

    def edit(ask: Ask, root: str, content: Any) -> Any:
        if root == "service_requests" and is_list(ask) and when(ask):
            return change(content)
        return content

    return edit


def unfiltered(ask: Ask) -> bool:
    return not {name for name, value in ask.query if value} - {"foo"}


def ignoring(*names: str, when: Any = lambda _: True) -> Any:
    def before(ask: Ask) -> None:
        if is_list(ask) and when(ask):
            without(ask, *names)

    return before


def no_window(ask: Ask) -> None:
    """Without filter, everything since the beginning (in spans that the server takes)."""
    if is_list(ask) and unfiltered(ask):
        ask.query += [("updated_after", "2000-01-01T00:00:00Z")]


def more_ids(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[0], "service_request_id": "1"}] if rows else rows


def ids_filtered_by_status(ask: Ask, root: str, content: Any) -> Any:
    if root == "service_requests" and is_list(ask) and ask.value("service_request_id"):
        return [row for row in content if ask.value("status") in ("", row["status"])]
    return content


def first_of(name: str) -> Any:
    """Read only the first value of a comma list."""

    def before(ask: Ask) -> None:
        if is_list(ask):
            ask.query = [(k, v.split(",")[0] if k == name else v) for k, v in ask.query]

    return before


def shift_end(ask: Ask) -> None:
    """Exclude the end of the window."""
    if is_list(ask) and ask.value("start_date") and ask.value("end_date").endswith("Z"):
        end = datetime.fromisoformat(ask.value("end_date")) - timedelta(seconds=1)
        without(ask, "end_date")
        ask.query.append(("end_date", end.strftime("%Y-%m-%dT%H:%M:%SZ")))


def drop_offsets(ask: Ask) -> None:
    if is_list(ask):
        ask.query = [(k, re.sub(r"\+05:00$", "Z", v) if k in DATES else v) for k, v in ask.query]


def far_start(ask: Ask) -> None:
    """end_date alone is not bounded below."""
    if is_list(ask) and ask.value("end_date") and not ask.value("start_date"):
        without(ask, "end_date")


def strict_dates(ask: Ask) -> Answer | None:
    for name in DATES:
        given = ask.value(name)
        if is_list(ask) and given and not re.fullmatch(r".*T\d\d:\d\d:\d\d(Z|\+\d\d:\d\d)", given):
            return refusal(400, f"{name} n'est pas une date")
    return None


def no_dates(ask: Ask) -> None:
    """Forget dates that cannot be read."""
    if is_list(ask) and ask.value("start_date") in ("hier", "2026-13-45T00:00:00Z"):
        without(ask, "start_date")


def span_passes(ask: Ask) -> None:
    start, end = ask.value("start_date"), ask.value("end_date")
    if is_list(ask) and start.endswith("Z") and end.endswith("Z"):
        if datetime.fromisoformat(end) - datetime.fromisoformat(start) > timedelta(days=100):
            without(ask, *DATES)
            ask.query.append(("updated_after", "2000-01-01T00:00:00Z"))


def upside_down(ask: Ask) -> None:
    if is_list(ask) and ask.value("start_date") > ask.value("end_date") > "":
        without(ask, *DATES)


def any_status(ask: Ask) -> None:
    if is_list(ask) and ask.value("status").startswith("no-such"):
        without(ask, "status")


def empty_is_404(ask: Ask, answer: Answer) -> None:
    empty = answer.body.endswith((b"<service_requests></service_requests>", b"[]"))
    if is_list(ask) and empty and ask.value("start_date") and not ask.value("service_request_id"):
        answer.status = 404
        answer.body = refusal(404, "aucune demande").body
        if ask.fmt == "json":
            answer.body = b'[{"code": 404, "description": "aucune demande"}]'


def unknown_code_is_404(ask: Ask) -> Answer | None:
    if is_list(ask) and ask.value("service_code").startswith("no-such"):
        if not ask.value("service_request_id"):
            return refusal(404, "service inconnu")
    return None


def one_code_only(ask: Ask) -> None:
    """Of a repeated parameter, read the last one."""
    if is_list(ask):
        ask.query = list(dict(ask.query).items())


def thousands(rows: list[Row]) -> list[Row]:
    return (rows * 60)[:1500]


def with_private(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[-1], "service_request_id": "90001"}] if rows else rows


def nameless(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[-1], "service_request_id": None}] if rows else rows


def closed_early(row: Row) -> None:
    if row["status"] == "closed":
        row["updated_datetime"] = "2012-01-01T00:00:00Z"


def bare_one(ask: Ask, answer: Answer) -> None:
    if is_one(ask) and ask.fmt == "json" and answer.status == 200:
        answer.body = json.dumps(json.loads(answer.body)[0]).encode()


def unknown_is_empty(ask: Ask, answer: Answer) -> None:
    if is_one(ask) and answer.status == 404 and "2147480311" in ask.path:
        answer.status = 200
        answer.body = (
            b"[]"
            if ask.fmt == "json"
            else b'<?xml version="1.0" encoding="utf-8"?>\n<service_requests/>'
        )


def old_refused(ask: Ask) -> Answer | None:
    number = ask.resource.rpartition("/")[2]
    if is_one(ask) and number.isdigit() and int(number) < 60:
        return refusal(404, "cette demande est inconnue")
    return None


def split_at_first_dot(ask: Ask) -> Answer | None:
    if "14-00.01" in ask.path:
        return Answer(404, b"<!doctype html><html>404</html>", {"Content-Type": "text/html"})
    return None


def private_differs(ask: Ask) -> Answer | None:
    if is_one(ask) and "90001" in ask.path:
        return refusal(404, "cette demande attend sa publication")
    return None


def error_body(body: bytes, fmt: str) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        if answer.status >= 400 and ask.fmt == fmt and "discovery" not in ask.path:
            answer.body = body

    return after


def told_with_200(ask: Ask, answer: Answer) -> None:
    if ask.resource.startswith("tokens/") and answer.status == 404:
        answer.status = 200


def describing(text: str) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        if answer.status >= 400 and ask.fmt == "xml" and not is_post(ask):
            body = re.sub(r"<description>[^<]*", f"<description>{text}", answer.body.decode())
            answer.body = body.encode()

    return after


def geometry(change: Any) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        if ask.fmt == "geojson" and answer.status == 200:
            document = json.loads(answer.body)
            for feature in document["features"]:
                change(feature)
            answer.body = json.dumps(document).encode()

    return after


def extended(change: Any) -> Content:
    def edit(row: Row) -> None:
        if "extended_attributes" in row:
            change(row["extended_attributes"])

    return each("service_requests", edit)


def standing_cursor(ask: Ask, answer: Answer) -> None:
    if "X-Next-Cursor" in answer.headers and ask.value("cursor") != "0":
        answer.headers["X-Next-Cursor"] = ask.value("cursor")


def all_updates(ask: Ask) -> None:
    if ask.resource == "servicerequestupdates" and ask.method == "GET":
        without(ask, *DATES)
        ask.query.append(("start_date", "1990-01-01T00:00:00Z"))


def forgetful_key(ask: Ask) -> None:
    """The Idempotency-Key is heard, another body under it is not noticed."""
    if "idempotency-key" in ask.headers and b"ignore.+2" in ask.body:
        ask.headers.pop("idempotency-key")


def constant_etag(ask: Ask, answer: Answer) -> None:
    if is_list(ask) and "ETag" in answer.headers:
        answer.headers["ETag"] = '"always"'
        if ask.headers.get("if-none-match") == '"always"':
            answer.status, answer.body = 304, b""


def no_retry_after(ask: Ask, answer: Answer) -> None:
    if answer.status == 429:
        answer.headers.pop("Retry-After", None)


LISTS = [
    Mutation("C-170", "the list reaches back for ever", before=no_window),
    Mutation("C-171", "only the first id is read", before=first_of("service_request_id")),
    Mutation("C-171", "a further request slips in", content=listed(more_ids, lambda a: "," in a.value("service_request_id"))),
    Mutation("C-172", "status filters ids too", content=ids_filtered_by_status),
    Mutation("C-173", "service_code is ignored", before=ignoring("service_code")),
    Mutation("C-173", "only the first service_code is read", before=first_of("service_code")),
    Mutation("C-174", "status is ignored", before=ignoring("status", when=lambda a: a.value("status").lower() in ("open", "closed"))),
    Mutation("C-174", "only the first status is read", before=first_of("status")),
    Mutation("C-175", "end_date is excluded", before=shift_end),
    Mutation("C-175", "start_date is ignored where both are given", before=ignoring("start_date", when=lambda a: a.value("end_date").endswith("Z") and a.value("start_date") > "2020" and "-" in a.value("start_date"))),
    Mutation("C-176", "offsets are dropped", before=drop_offsets),
    Mutation("C-177", "end_date alone is ignored", before=far_start),
    Mutation("C-178", "a wide span passes", before=span_passes),
    Mutation("C-179", "an upside-down window is ignored", before=upside_down),
    Mutation("C-180", "an unreadable date is ignored", before=no_dates),
    Mutation("C-181", "only full dates are read", before=strict_dates),
    Mutation("C-182", "an unknown status is ignored", before=any_status),
    Mutation("C-183", "nothing found is 404", after=empty_is_404),
    Mutation("C-184", "an unknown service_code is 404", before=unknown_code_is_404),
    Mutation("C-185", "a repeated parameter counts once", before=one_code_only),
    Mutation("C-186", "oldest first", content=listed(lambda rows: rows[::-1])),
    Mutation("C-187", "zipcode is left out", content=each("service_requests", drop("zipcode"))),
    Mutation("C-188", "status is upper-case", content=each("service_requests", lambda row: put("status", row["status"].upper())(row))),
    Mutation("C-188", "a third status", content=each("service_requests", lambda row: put("status", "acknowledged")(row) if row["service_request_id"] == "105" else None)),
    Mutation("C-189", "closed before it was made", content=each("service_requests", closed_early)),
    Mutation("C-190", "another service_name", content=each("service_requests", put("service_name", "Autre"))),
    Mutation("C-191", "a request without id", content=listed(nameless, lambda a: not a.value("service_request_id"))),
    Mutation("C-192", "a private request is listed", content=listed(with_private, unfiltered)),
    Mutation("C-193", "too many decimals", content=each("service_requests", lambda row: put("lat", round(row["lat"] + 1.1e-9, 9))(row) if row.get("lat") else None)),
    Mutation("C-194", "the leading zero is lost", content=each("service_requests", put("zipcode", "1000"))),
    Mutation("C-196", "page_size has no limit", content=listed(thousands, lambda a: a.value("page_size") == "5000")),
    Mutation("C-210", "one request is a bare object", after=bare_one),
    Mutation("C-211", "an unknown id is an empty 200", after=unknown_is_empty),
    Mutation("C-212", "one request says another address", content=each("service_requests", lambda row: put("address", "ailleurs")(row) if row["address"] else None, is_one)),
    Mutation("C-213", "ids are split at the first dot", before=split_at_first_dot),
    Mutation("C-214", "a private id tells that it exists", before=private_differs),
    Mutation("C-215", "old requests cannot be read", before=old_refused),
    Mutation("C-230", "XML errors have another root", after=error_body(b'<?xml version="1.0" encoding="utf-8"?>\n<error_messages><message>non</message></error_messages>', "xml")),
    Mutation("C-230", "JSON errors are wrapped", after=error_body(b'{"errors":[{"code":404,"description":"la demande est inconnue"}]}', "json")),
    Mutation("C-231", "an error told with 200", after=told_with_200),
    Mutation("C-232", "422 where 400 is meant", after=statuses(400, 422, lambda a: is_list(a) and a.value("start_date") == "hier")),
    Mutation("C-233", "an error is a stack trace", after=describing("Traceback (most recent call last): la demande est")),
    Mutation("C-234", "errors without code", after=lambda a, r: setattr(r, "body", re.sub(rb"<code>\d+", b"<code>", r.body))),
    Mutation("C-234", "the code differs from the status", after=substitute(b"<code>404", b"<code>500")),
    Mutation("C-235", "errors are in English", after=describing("the request is not found")),
    Mutation("C-237", "429 without Retry-After", after=no_retry_after),
    Mutation("X-02", "extensions change the standard fields", content=each("service_requests", lambda row: put("address", "x")(row) if "extended_attributes" in row else None)),
    Mutation("X-03", "a detailed_status of its own", content=extended(put("detailed_status", "DONE"))),
    Mutation("X-04", "updated_after is a day late", content=listed(lambda rows: [], lambda a: a.value("updated_after") > "2020")),
    Mutation("X-05", "radius is in kilometres", before=lambda a: setattr(a, "query", [(k, v + "000" if k == "radius" else v) for k, v in a.query])),
    Mutation("X-06", "bbox takes latitude first", before=lambda a: setattr(a, "query", [(k, ",".join(v.split(",")[i] for i in (1, 0, 3, 2)) if k == "bbox" else v) for k, v in a.query])),
    Mutation("X-08", "page 2 is page 1 again", before=lambda a: setattr(a, "query", [(k, "1" if k == "page" and v == "2" else v) for k, v in a.query])),
    Mutation("X-09", "notes without date", content=extended(lambda more: [n.pop("datetime") for n in more["notes"]])),
    Mutation("X-12", "updates ignore the window", before=all_updates),
    Mutation("X-14", "updates speak upper case", content=each("service_request_updates", lambda row: put("status", row["status"].upper())(row) if "status" in row else None)),
    Mutation("X-18", "agency_responsible matches anything", before=lambda a: without(a, "agency_responsible") if a.value("agency_responsible") in ("Voirie", "Propreté") else None),
    Mutation("X-31", "another body under one key passes", before=forgetful_key),
    Mutation("X-32", "the cursor stands still", after=standing_cursor),
    Mutation("X-33", "all lists share an ETag", after=constant_etag),
    Mutation("X-34", "latitude comes first", after=geometry(lambda f: f["geometry"]["coordinates"].reverse())),
    Mutation("X-35", "pages are miscounted", after=lambda a, r: r.headers.update({"X-Page-Count": "1"}) if "X-Page-Count" in r.headers else None),
]  # fmt: skip
