"""Mutations of POST and tokens."""

from __future__ import annotations

import re
from typing import Any

from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import (
    Content,
    Mutation,
    Row,
    each,
    field_text,
    is_one,
    is_post,
    is_read,
    put,
    set_field,
    statuses,
)

ACCENTS = re.compile(r"[^\x00-\x7f]")


def posts(change: Any) -> Any:
    """Change the form of every POST of a request that is url-encoded."""

    def before(ask: Ask) -> None:
        if is_post(ask) and ask.form:
            change(ask)

    return before


def fill(name: str, value: str) -> Any:
    """Put a value where a field is missing."""

    def change(ask: Ask) -> None:
        if not field_text(ask, name):
            set_field(ask, name, value)

    return posts(change)


def fill_half(ask: Ask) -> None:
    lat, long = field_text(ask, "lat"), field_text(ask, "long")
    if bool(lat) != bool(long):
        set_field(ask, "lat", lat or "45.75")
        set_field(ask, "long", long or "4.85")


def fill_place(ask: Ask) -> None:
    bare = {"lat", "long", "address_string", "address_id"}.isdisjoint(dict(ask.form))
    if bare:
        set_field(ask, "lat", "45.75")
        set_field(ask, "long", "4.85")


def any_place(ask: Ask) -> None:
    for name, value in (("lat", "45"), ("long", "4")):
        if field_text(ask, name) in ("91", "181", "abc", "NaN", "-180.1"):
            set_field(ask, name, value)


def known_code(ask: Ask) -> None:
    if field_text(ask, "service_code").startswith("no-such"):
        set_field(ask, "service_code", "waste")


def posted(change: Any) -> Content:
    """Change the answer to a POST."""
    return each("service_requests", change, is_post)


def given(kind: str, change: Any) -> Content:
    """Change the answer to a POST on one service."""

    def edit(ask: Ask, root: str, content: Any) -> Any:
        if root == "service_requests" and is_post(ask) and field_text(ask, "service_code") == kind:
            for row in content:
                change(row)
        return content

    return edit


def on_read(change: Any) -> Content:
    """Change one request."""
    return each("service_requests", change, is_one)


def attribute_fields(change: Any) -> Any:
    """Change the attribute fields of a form: name and value to name and value, or None."""

    def edit(ask: Ask) -> None:
        fields = [change(*p) if p[0].startswith("attribute[") else p for p in ask.form]
        ask.form = [field for field in fields if field]

    return posts(edit)


def known_values(name: str, value: str) -> tuple[str, str]:
    return (name, "small") if value.startswith("no-such") else (name, value)


def no_array(name: str, value: str) -> tuple[str, str] | None:
    return None if name.endswith("[]") else (name, value)


def first_only(ask: Ask) -> None:
    """Of several values on a single-value list keep one in silence."""
    kept: dict[str, tuple[str, str]] = {}
    for name, value in ask.form:
        key = name if name.startswith("attribute[SIZE") else f"{name}={value}"
        kept.setdefault(key, (name, value))
    ask.form = list(kept.values())


def any_number(name: str, value: str) -> tuple[str, str]:
    return (name, "3") if value == "abc" else (name, value)


def answer_missing(ask: Ask) -> None:
    """Invent an answer to each required attribute that was not answered."""
    if field_text(ask, "service_code") == "pothole":
        for code, value in (("SIZE", "small"), ("SIDES", "small"), ("HOWMANY", "1")):
            if f"attribute[{code}]" not in str(ask.form):
                ask.form.append((f"attribute[{code}]", value))


def no_bare_repeat(ask: Ask) -> Answer | None:
    names = [name for name, _ in ask.form]
    if is_post(ask) and names.count("attribute[SIDES]") > 1:
        return refusal(400, "SIDES n'a qu'une valeur")
    return None


def raw_brackets(ask: Ask) -> Answer | None:
    return (
        refusal(400, "nom de champ illisible")
        if is_post(ask) and b"attribute[" in ask.body
        else None
    )


def crash_on(fragment: bytes, status: int = 500) -> Any:
    def before(ask: Ask) -> Answer | None:
        return refusal(status, "panne") if is_post(ask) and fragment in ask.body else None

    return before


def refusal(status: int, text: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<errors><error><code>{status}</code>'
    body += f"<description>{text}</description></error></errors>"
    return Answer(status, body.encode(), {"Content-Type": "text/xml; charset=utf-8"})


def shorten(limit: int) -> Any:
    def change(ask: Ask) -> None:
        if len(field_text(ask, "description")) > limit:
            set_field(ask, "description", field_text(ask, "description")[:limit])

    return posts(change)


def bytes_counted(ask: Ask) -> Answer | None:
    if is_post(ask) and len(field_text(ask, "description").encode()) > 4000:
        return refusal(400, "description dépasse 4000 octets")
    return None


def unescaped(ask: Ask, answer: Answer) -> None:
    if is_read(ask) and ask.fmt == "xml":
        answer.body = answer.body.replace(b"&lt;b&gt;x&lt;/b&gt;", b"<b>x</b>")


def one_line(row: Row) -> None:
    row["description"] = (row["description"] or "").replace("\n", " ") or None


def ascii_only(row: Row) -> None:
    keep = (row["description"] or "").replace("é", "\0")
    row["description"] = ACCENTS.sub("?", keep).replace("\0", "é") or None


def zero_is_missing(ask: Ask) -> None:
    for name in ("lat", "long"):
        if field_text(ask, name) == "0":
            set_field(ask, name, None)


def first_error_only(ask: Ask, answer: Answer) -> None:
    if is_post(ask) and answer.status == 400:
        head, _, rest = answer.body.partition(b"</error>")
        answer.body = head + b"</error></errors>" if rest else answer.body


def any_body(ask: Ask) -> Answer | None:
    if is_post(ask) and ask.headers.get("content-type") == "text/plain":
        return Answer(200, b"<service_requests/>", {"Content-Type": "text/xml; charset=utf-8"})
    return None


def html_when_large(ask: Ask) -> Answer | None:
    if is_post(ask) and len(ask.body) > 500_000:
        return Answer(413, b"<!doctype html><html>Too large</html>", {"Content-Type": "text/html"})
    return None


def query_wins(ask: Ask) -> None:
    if is_post(ask) and dict(ask.query).get("description"):
        set_field(ask, "description", dict(ask.query)["description"])


class Repeater:
    """Answer a POST that looks like the one before with the same request."""

    def __init__(self) -> None:
        self.last: tuple[bytes, str, Answer] | None = None

    def before(self, ask: Ask) -> Answer | None:
        if is_post(ask) and self.last and self.last[:2] == (ask.body, ask.fmt):
            return self.last[2]
        return None

    def after(self, ask: Ask, answer: Answer) -> None:
        if is_post(ask) and ask.form and answer.status == 200:
            self.last = (ask.body, ask.fmt, answer)


def token_pending(status: int) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        waiting = ask.resource.startswith("tokens/") and b"service_request_id" not in answer.body
        if waiting and answer.status == 200:
            answer.status = status
            answer.body = refusal(status, "jeton en attente").body

    return after


def any_token(ask: Ask) -> Answer | None:
    if ask.resource.startswith("tokens/no-such"):
        return Answer(200, b"<service_requests/>", {"Content-Type": "text/xml; charset=utf-8"})
    return None


def tokens(change: Any) -> Content:
    """Change what a token leads to."""
    return each("service_requests", change, lambda ask: ask.resource.startswith("tokens/"))


def short_token(row: Row) -> None:
    if row.get("token"):
        row["token"] = row["token"][:8]


def names_nothing(ask: Ask, answer: Answer) -> None:
    if is_post(ask):
        answer.body = answer.body.replace(b"SIZE", b"?").replace(b"SIDES", b"?")
        answer.body = answer.body.replace(b"HOWMANY", b"?")


def shown(name: str) -> Any:
    """Leak a reporter field under the guise of service_notice."""

    def change(row: Row) -> None:
        if "1 rue du test" not in str(row.get("address")):
            row["service_notice"] = name

    return change


REPEATER = Repeater()
WRITING = [
    Mutation("C-020", "control characters come back", after=lambda a, r: setattr(r, "body", r.body.replace("�".encode(), b"&#13;")) if is_one(a) else None),
    Mutation("C-059", "the service is judged before the key", before=lambda a: refusal(404, "service inconnu") if is_post(a) and field_text(a, "service_code").startswith("no-such") else None),
    Mutation("C-100", "url-encoded forms are refused", before=lambda a: refusal(400, "multipart attendu") if is_post(a) and a.form and field_text(a, "api_key").startswith("reference") else None),
    Mutation("C-101", "an id and a token", content=posted(lambda row: put("token", "abc")(row) if row.get("service_request_id") else None)),
    Mutation("C-102", "realtime gives a token", content=given("waste", lambda row: row.update(token=row.pop("service_request_id")))),
    Mutation("C-103", "batch gives no token", content=given("lamp", put("token", None))),
    Mutation("C-104", "blackbox gives an id", content=given("tip", put("service_request_id", "77"))),
    Mutation("C-105", "a creation is 204", after=statuses(200, 204, is_post)),
    Mutation("C-106", "a missing service_code is guessed", before=fill("service_code", "waste")),
    Mutation("C-107", "an unknown service_code is filed under another", before=posts(known_code)),
    Mutation("C-107", "an unknown service_code is 400", after=statuses(404, 400, is_post)),
    Mutation("C-108", "no location is guessed", before=posts(fill_place)),
    Mutation("C-109", "half a location is completed", before=posts(fill_half)),
    Mutation("C-110", "an address alone is 422", before=lambda a: refusal(422, "lat est obligatoire") if is_post(a) and field_text(a, "address_string") else None),
    Mutation("C-111", "coordinates alone are refused", before=lambda a: refusal(400, "adresse obligatoire") if is_post(a) and field_text(a, "lat") and not field_text(a, "address_string") and field_text(a, "api_key") else None),
    Mutation("C-112", "any coordinates pass", before=posts(any_place)),
    Mutation("C-113", "zero reads as missing", before=posts(zero_is_missing)),
    Mutation("C-114", "required attributes are not demanded", before=posts(answer_missing)),
    Mutation("C-114", "the error does not name the attribute", after=names_nothing),
    Mutation("C-115", "unknown list keys pass", before=attribute_fields(known_values)),
    Mutation("C-116", "[] is not understood", before=attribute_fields(no_array)),
    Mutation("C-117", "a repeated name is refused", before=no_bare_repeat),
    Mutation("C-118", "bare brackets are refused", before=raw_brackets),
    Mutation("C-119", "the first of several values is kept", before=posts(first_only)),
    Mutation("C-120", "numbers are not checked", before=attribute_fields(any_number)),
    Mutation("C-121", "an unknown attribute is a failure", before=crash_on(b"attribute%5Bno-such")),
    Mutation("C-122", "a value for a shown text is refused", before=crash_on(b"attribute%5BINFO", 400)),
    Mutation("C-123", "a longer description is cut", before=shorten(4000)),
    Mutation("C-123", "the limit counts bytes", before=bytes_counted),
    Mutation("C-124", "markup comes back", after=unescaped),
    Mutation("C-125", "line breaks become spaces", content=on_read(one_line)),
    Mutation("C-126", "a reporter field is refused", before=crash_on(b"device_id=device", 400)),
    Mutation("C-127", "the e-mail address leaks", content=on_read(shown("conformance-311@example.org"))),
    Mutation("C-127", "the phone number leaks in lists", content=each("service_requests", put("status_notes", "+33199003111"), lambda a: is_read(a) and "extensions" in dict(a.query))),
    Mutation("C-128", "only Latin letters survive", content=on_read(ascii_only)),
    Mutation("C-129", "media_url is lost", content=on_read(put("media_url", None))),
    Mutation("C-131", "the query wins", before=query_wins),
    Mutation("C-132", "the place is another", content=on_read(lambda row: put("long", 1.5)(row) if "Lilas" not in str(row["address"]) else None)),
    Mutation("C-133", "new requests are closed", content=on_read(lambda row: put("status", "closed")(row) if int(row["service_request_id"]) >= 1000 else None)),
    Mutation("C-133", "the clock is an hour off", content=on_read(lambda row: put("requested_datetime", "2020-01-01T00:00:00Z")(row) if int(row["service_request_id"]) >= 1000 else None)),
    Mutation("C-134", "only the first fault is told", after=first_error_only),
    Mutation("C-135", "any body passes", before=any_body),
    Mutation("C-136", "too large gets a web page", before=html_when_large),
    Mutation("C-138", "look-alikes are merged", before=REPEATER.before, after=REPEATER.after),
    Mutation("C-150", "the token is not repeated", content=tokens(put("token", None))),
    Mutation("C-151", "an unknown token is 200", before=any_token),
    Mutation("C-152", "a waiting token is 404", after=token_pending(404)),
    Mutation("C-153", "the id behind a token leads nowhere", content=tokens(lambda row: put("service_request_id", "5")(row) if row.get("service_request_id") else None)),
    Mutation("C-154", "tokens are short", content=posted(short_token)),
]  # fmt: skip
