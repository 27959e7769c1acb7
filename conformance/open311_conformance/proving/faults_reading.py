"""Mutations of transport, discovery, jurisdictions, catalogue."""

from __future__ import annotations

import json
import re
from itertools import permutations
from typing import Any

from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import (
    Content,
    Mutation,
    Row,
    attributes,
    drop,
    each,
    is_list,
    is_one,
    is_post,
    on,
    put,
    statuses,
    substitute,
    without,
)
from open311_conformance.proving.reference import KEY

OLD_CHANGESET = "2011-02-03T14:18:00Z"
PAGE = b"<!doctype html><html><body>Erreur</body></html>"


def label(fmt: str, value: str) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        if ask.fmt == fmt and "discovery" not in ask.path:
            answer.headers["Content-Type"] = value

    return after


def renamed(old: bytes, new: bytes) -> Any:
    """Another name for an element in XML."""

    def after(ask: Ask, answer: Answer) -> None:
        if ask.fmt == "xml":
            answer.body = re.sub(rb"<(/?)" + old + rb">", rb"<\1" + new + b">", answer.body)

    return after


def latin1(ask: Ask, answer: Answer) -> None:
    if is_list(ask) or ask.resource == "services":
        answer.body = answer.body.decode().encode("latin-1", "replace")


def page_at(resource: str, status: int) -> Any:
    def before(ask: Ask) -> Answer | None:
        if ask.resource == resource or ask.resource.startswith(f"{resource}/"):
            return Answer(status, PAGE, {"Content-Type": "text/html"})
        return None

    return before


def missing(fmt: str) -> Any:
    def after(ask: Ask, answer: Answer) -> None:
        if ask.fmt == fmt and is_list(ask) and not ask.query:
            answer.status = 500

    return after


def wrap(ask: Ask, answer: Answer) -> None:
    if ask.fmt == "json" and is_list(ask) and answer.status == 200:
        answer.body = b'{"service_requests":' + answer.body + b"}"


def json_only(root: str, change: Any) -> Content:
    def edit(ask: Ask, name: str, content: Any) -> Any:
        if name == root and ask.fmt == "json":
            for row in content:
                change(row)
        return content

    return edit


def in_json(change: Any) -> Any:
    """Change the JSON discovery document."""

    def after(ask: Ask, answer: Answer) -> None:
        if ask.path.endswith("discovery.json"):
            document = json.loads(answer.body)
            if isinstance(document, dict):  # a refusal is a list
                answer.body = json.dumps(change(document)).encode()

    return after


def discovery(change: Any) -> Content:
    def edit(_: Ask, name: str, content: Any) -> Any:
        if name == "discovery":
            change(content)
        return content

    return edit


def endpoints(change: Any) -> Content:
    def edit(document: Row) -> None:
        for endpoint in document["endpoints"]:
            change(endpoint)

    return discovery(edit)


def keep_first_endpoint_formats(endpoint: Row) -> None:
    endpoint["formats"] = endpoint["formats"][:1]


def demand_jurisdiction_on_list(ask: Ask) -> Answer | None:
    if is_list(ask) and not ask.value("jurisdiction_id"):
        body = b'<?xml version="1.0" encoding="utf-8"?>\n<errors><error><code>400</code>'
        body += b"<description>jurisdiction_id est obligatoire</description></error></errors>"
        return Answer(400, body, {"Content-Type": "text/xml; charset=utf-8"})
    return None


def lend_jurisdiction(wrong: str) -> Any:
    """Let the list pass with a missing or unknown jurisdiction."""

    def before(ask: Ask) -> None:
        if is_list(ask) and ask.value("jurisdiction_id") == wrong:
            without(ask, "jurisdiction_id")
            ask.query.append(("jurisdiction_id", "lyria"))

    return before


def needs_key(ask: Ask) -> Answer | None:
    if is_one(ask) and ask.fmt == "xml":
        body = b'<?xml version="1.0" encoding="utf-8"?>\n<errors><error><code>403</code>'
        body += b"<description>une cl\xc3\xa9 est obligatoire</description></error></errors>"
        return Answer(403, body, {"Content-Type": "text/xml; charset=utf-8"})
    return None


def any_key(ask: Ask) -> None:
    if is_post(ask) and "service_code=no-such" not in ask.body.decode("utf-8", "replace"):
        if "authorization" not in ask.headers:
            ask.form = [pair for pair in ask.form if pair[0] != "api_key"] + [("api_key", KEY)]


def unknown_as_first(ask: Ask) -> None:
    ask.path = ask.path.replace("/services/no-such-thing-311", "/services/waste")


def refuse_unknown_parameters(ask: Ask) -> Answer | None:
    if ask.value("foo"):
        return Answer(400, b'<?xml version="1.0" encoding="utf-8"?>\n<errors><error><code>400</code>'
                      b"<description>foo est inconnu</description></error></errors>",
                      {"Content-Type": "text/xml; charset=utf-8"})  # fmt: skip
    return None


class Turning:
    """Give the service list in another order at every call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, content: list[Row]) -> list[Row]:
        self.calls += 1
        orders = list(permutations(content))
        return list(orders[self.calls % len(orders)])


def accented_code(rows: list[Row]) -> list[Row]:
    return [*rows, {**rows[0], "service_code": "a b:c"}]


def twice(rows: list[Row]) -> list[Row]:
    return [*rows, dict(rows[0])]


def empty_filter_matters(ask: Ask) -> None:
    if is_list(ask) and ("status", "") in ask.query:
        without(ask, "status")
        ask.query.append(("status", "closed"))


def no_post_slash(ask: Ask) -> Answer | None:
    return Answer(308, b"", {"Location": "/"}) if "//" in ask.path else None


def accept_decides(ask: Ask) -> Answer | None:
    if ask.headers.get("accept") == "image/png":
        return Answer(406, b"", {"Content-Type": "text/plain"})
    return None


def fall_silent_suffix(ask: Ask, answer: Answer) -> None:
    if ask.fmt == "foo":
        answer.body = b'[{"code": 404, "description": "inconnu"}]'
        answer.headers["Content-Type"] = "application/json; charset=utf-8"


def page_for_unknown(ask: Ask, answer: Answer) -> None:
    if ask.fmt == "foo" or ("no-such-thing-311.xml" in ask.path and "/v2/no-such" in ask.path):
        answer.body = PAGE


def number_keys(row: Row) -> None:
    row["service_request_id"] = int(row["service_request_id"])


def old_changeset(endpoint: Row) -> None:
    endpoint["changeset"] = OLD_CHANGESET


def not_below(ask: Ask) -> Answer | None:
    return page_at("discovery", 404)(ask) if "/v2/discovery" in ask.path else None


def echo_key(ask: Ask, answer: Answer) -> None:
    if ask.value("api_key") and ask.fmt == "xml":
        answer.body += f"<!-- {ask.value('api_key')} -->".encode()


def wrong_key_fails(ask: Ask) -> Answer | None:
    if ask.method == "GET" and ask.value("api_key"):
        return needs_key(Ask("GET", "/open311/v2/requests/1.xml", [], {}))
    return None


def foreign_passes(ask: Ask) -> None:
    without(ask, "jurisdiction_id")


def values_key_twice(rows: list[Row]) -> None:
    rows[0]["values"] = [rows[0]["values"][0], *rows[0]["values"]]


READING = [
    Mutation("C-001", "the request list fails in XML", after=missing("xml")),
    Mutation("C-002", "the request list fails in JSON", after=missing("json")),
    Mutation("C-003", "XML is labelled application/xml", after=label("xml", "application/xml; charset=utf-8")),
    Mutation("C-003", "XML is labelled without charset", after=label("xml", "text/xml")),
    Mutation("C-004", "JSON is labelled text/plain", after=label("json", "text/plain; charset=utf-8")),
    Mutation("C-005", "no XML declaration", after=substitute(b'<?xml version="1.0" encoding="utf-8"?>\n', b"")),
    Mutation("C-005", "the declaration names no encoding", after=substitute(b' encoding="utf-8"', b"")),
    Mutation("C-006", "answers are in Latin-1", after=latin1),
    Mutation("C-006", "JSON starts with a byte order mark", after=substitute(b"[", b"\xef\xbb\xbf[", "json")),
    Mutation("C-007", "an ampersand is not escaped", after=substitute(b"Signalement", b"A & B")),
    Mutation("C-007", "a document type", after=substitute(b"<service_requests>", b"<!DOCTYPE x><service_requests>")),
    Mutation("C-008", "the root has type=array", after=substitute(b"<services>", b'<services type="array">')),
    Mutation("C-008", "a foreign default namespace", after=substitute(b"<services>", b'<services xmlns="urn:x">')),
    Mutation("C-009", "the root is response", after=renamed(b"services", b"response")),
    Mutation("C-009", "items are named row", after=renamed(b"request", b"row")),
    Mutation("C-010", "an element of our own", content=each("service_requests", put("ward", "3"))),
    Mutation("C-011", "dates without zone", content=each("service_requests", lambda row: put("updated_datetime", row["updated_datetime"][:-1])(row))),
    Mutation("C-011", "dates with a space", content=each("service_requests", lambda row: put("updated_datetime", row["updated_datetime"].replace("T", " "))(row))),
    Mutation("C-012", "dates with fractions", content=each("service_requests", lambda row: put("updated_datetime", row["updated_datetime"].replace("Z", ".000Z"))(row))),
    Mutation("C-013", "two offsets are mixed", content=each("service_requests", lambda row: put("updated_datetime", row["updated_datetime"].replace("Z", "+00:00"))(row))),
    Mutation("C-014", "an empty status filters", before=empty_filter_matters),
    Mutation("C-015", "unknown parameters are refused", before=refuse_unknown_parameters),
    Mutation("C-016", "406 because of Accept", before=accept_decides),
    Mutation("C-018", "an unknown path gets a web page", after=page_for_unknown),
    Mutation("C-019", "doubled slashes redirect", before=no_post_slash),
    Mutation("C-021", "the JSON list is wrapped", after=wrap),
    Mutation("C-022", "JSON says another name", content=json_only("services", put("service_name", "Autre"))),
    Mutation("C-022", "JSON says another address", content=json_only("service_requests", put("address", "ailleurs"))),
    Mutation("C-023", "ids are numbers in JSON", content=each("service_requests", number_keys, is_list)),
    Mutation("C-023", "coordinates are quoted in JSON", content=json_only("service_requests", lambda row: put("lat", str(row.get("lat")))(row))),
    Mutation("C-024", "an unknown date is empty text in JSON", content=json_only("service_requests", lambda row: put("expected_datetime", row.get("expected_datetime") or "")(row))),
    Mutation("C-025", "status_notes is left out", content=each("service_requests", drop("status_notes"))),
    Mutation("C-028", "HEAD gives 405", after=lambda a, r: setattr(r, "status", 405) if a.method == "HEAD" else None),
    Mutation("C-029", "DELETE is accepted", before=lambda a: setattr(a, "method", "GET") if a.method == "DELETE" else None),
    Mutation("C-030", "no JSON discovery", before=lambda a: Answer(404, b"", {}) if a.path.endswith("discovery.json") else None),
    Mutation("C-031", "discovery without contact", content=discovery(drop("contact"))),
    Mutation("C-032", "an endpoint without changeset", content=endpoints(drop("changeset"))),
    Mutation("C-033", "another specification", content=endpoints(put("specification", "http://wiki.open311.org/GeoReport_v1"))),
    Mutation("C-034", "an endpoint of type staging", content=discovery(lambda d: put("type", "staging")(d["endpoints"][0]))),
    Mutation("C-035", "a changeset that is no date", content=discovery(put("changeset", "r1234"))),
    Mutation("C-036", "endpoint urls end with a slash", content=endpoints(lambda e: put("url", e["url"] + "/")(e))),
    Mutation("C-037", "JSON discovery is wrapped", after=in_json(lambda d: {"discovery": d})),
    Mutation("C-037", "formats in JSON are a text", after=in_json(lambda d: {**d, "endpoints": [{**e, "formats": "text/xml"} for e in d["endpoints"]]})),
    Mutation("C-038", "JSON discovery says another contact", after=in_json(lambda d: {**d, "contact": "x@y.example"})),
    Mutation("C-039", "one format only", content=endpoints(keep_first_endpoint_formats)),
    Mutation("C-040", "discovery beside the base only", before=not_below),
    Mutation("C-041", "the changeset stands still", content=endpoints(old_changeset)),
    Mutation("C-050", "the list demands a jurisdiction_id", before=demand_jurisdiction_on_list),
    Mutation("C-051", "the list forgives a missing jurisdiction_id", before=lend_jurisdiction(""), multi=True),
    Mutation("C-051", "a missing jurisdiction_id is 404", after=statuses(400, 404, lambda a: not a.value("jurisdiction_id") and a.method == "GET"), multi=True),
    Mutation("C-052", "the list forgives an unknown jurisdiction_id", before=lend_jurisdiction("no-such-thing-311"), multi=True),
    Mutation("C-052", "an unknown jurisdiction_id is 401", after=statuses(404, 401, lambda a: a.value("jurisdiction_id").startswith("no-such")), multi=True),
    Mutation("C-053", "a foreign jurisdiction_id passes", before=foreign_passes),
    Mutation("C-054", "reading one request needs a key", before=needs_key),
    Mutation("C-055", "any key will do", before=any_key),
    Mutation("C-055", "a wrong key is 401", after=statuses(403, 401, lambda a: is_post(a) and not a.headers.get("authorization"))),
    Mutation("C-056", "a wrong key fails a GET", before=wrong_key_fails),
    Mutation("C-058", "the key is echoed", after=echo_key),
    Mutation("C-060", "a service stands twice", content=on("services", twice)),
    Mutation("C-061", "services without name", content=each("services", put("service_name", None))),
    Mutation("C-062", "metadata is yes", content=on("services", lambda rows: [*rows, {**rows[0], "service_code": "x", "metadata": "yes"}])),
    Mutation("C-063", "a type of its own", content=on("services", lambda rows: [*rows, {**rows[0], "service_code": "x", "type": "slow"}])),
    Mutation("C-064", "no group", content=each("services", drop("group"))),
    Mutation("C-064", "no description", content=each("services", put("description", None))),
    Mutation("C-065", "keywords is a list in JSON", content=json_only("services", put("keywords", ["rue"]))),
    Mutation("C-066", "spaces after commas", content=each("services", put("keywords", "rue, espace"))),
    Mutation("C-067", "a code with space and colon", content=on("services", accented_code)),
    Mutation("C-068", "the service list is empty", content=on("services", lambda _: [])),
    Mutation("C-069", "the order of services changes", content=on("services", Turning())),
    Mutation("C-075", "a definition fails", after=statuses(200, 500, lambda a: a.resource == "services/pothole" and a.fmt == "xml")),
    Mutation("C-076", "the definition names another code", content=on("service_definition", lambda d: {**d, "service_code": "other"})),
    Mutation("C-077", "no container of attributes", after=lambda a, r: setattr(r, "body", r.body.replace(b"<attributes>", b"").replace(b"</attributes>", b"")) if a.fmt == "xml" else None),
    Mutation("C-078", "a datatype of its own", content=attributes(lambda rows: put("datatype", "colour")(rows[4]))),
    Mutation("C-078", "required is missing", content=attributes(lambda rows: drop("required")(rows[4]))),
    Mutation("C-079", "order starts at 0", content=attributes(lambda rows: put("order", 0)(rows[0]))),
    Mutation("C-079", "an order stands twice", content=attributes(lambda rows: put("order", 2)(rows[0]))),
    Mutation("C-080", "a code stands twice", content=attributes(lambda rows: put("code", "WHO")(rows[5]))),
    Mutation("C-081", "a list key stands twice", content=attributes(values_key_twice)),
    Mutation("C-081", "a list without values", content=attributes(lambda rows: rows.append({**rows[0], "code": "Z", "order": 9, "required": False, "values": []}))),
    Mutation("C-082", "values is null in JSON", content=attributes(lambda rows: put("values", None)(rows[4]))),
    Mutation("C-083", "an attribute without description", content=attributes(lambda rows: put("description", None)(rows[4]))),
    Mutation("C-083", "no datatype_description", content=attributes(lambda rows: drop("datatype_description")(rows[4]))),
    Mutation("C-084", "an unknown code gives another definition", before=unknown_as_first),
    Mutation("C-085", "no attributes is 404", after=statuses(200, 404, lambda a: a.resource == "services/waste")),
    Mutation("C-086", "a shown text is required", content=attributes(lambda rows: put("required", True)(rows[6]))),
    Mutation("C-087", "metadata without attributes", content=each("services", lambda row: put("metadata", row["service_code"] != "lamp")(row))),
    Mutation("C-238", "an unknown suffix is told in JSON", after=fall_silent_suffix),
]  # fmt: skip
