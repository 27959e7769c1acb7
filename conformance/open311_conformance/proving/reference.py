"""The reference server: a GeoReport v2 endpoint that keeps every clause and extension.

It exists to be mutated. It serves one invented city from memory, under /open311/v2
(production) and /open311/test/v2 (test), with one or several jurisdictions.
"""

from __future__ import annotations

import copy
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from open311_conformance.proving import city, listing, posting, writing
from open311_conformance.proving.messages import Answer, Ask, Pairs
from open311_conformance.proving.refusals import NotFound, Refusal

KEY = "reference-key-311"
JURISDICTION = "lyria"
PRIVATE_ID = "90001"
TYPES = {"xml": "text/xml", "json": "application/json"}
ROOT = "/open311"
TOKEN_DELAY_S = 0.2
Edit = Callable[[Ask, str, Any], Any]


class ReferenceServer:
    """Answers asks; ``multi`` makes it demand a jurisdiction_id, ``empty`` starts it bare."""

    def __init__(self, *, multi: bool = False, empty: bool = False) -> None:
        self.multi = multi
        self.address = ""
        self.started = datetime.now(UTC).replace(microsecond=0)
        self.requests = [] if empty else city.history(self.started)
        self.updates: list[dict[str, Any]] = listing.updates_of(self.requests)
        self.tokens: dict[str, tuple[datetime, str]] = {}
        self.replays: dict[str, tuple[Pairs, list[dict[str, Any]]]] = {}
        self.lock = threading.RLock()
        self.next_number = 1000
        self.edit: Edit = lambda _ask, _root, content: content

    # -- the door -------------------------------------------------------------------------

    def answer(self, ask: Ask) -> Answer:
        """Answer one ask; every refusal has a body in the asked format."""
        fmt = ask.fmt if ask.fmt in ("xml", "json", "geojson") else "xml"
        try:
            with self.lock:
                return self._route(ask)
        except Refusal as refusal:
            body = writing.document("json" if fmt != "xml" else "xml", "errors", refusal.rows())
            headers = {"Content-Type": f"{TYPES['xml' if fmt == 'xml' else 'json']}; charset=utf-8"}
            return Answer(refusal.status, body, headers | refusal.headers)

    def _route(self, ask: Ask) -> Answer:
        path = ask.path
        while "//" in path:
            path = path.replace("//", "/")
        ask.path = path.replace("%72", "r")
        for place in (f"{ROOT}/", f"{ROOT}/v2/"):
            for fmt in ("xml", "json"):
                if ask.path == f"{place}discovery.{fmt}":
                    return self._discovery(fmt)
        if ask.path == f"{ROOT}/":
            return Answer(200, b"<!doctype html><html lang=fr><title>Lyria</title></html>",
                          {"Content-Type": "text/html; charset=utf-8"})  # fmt: skip
        if not ask.path.startswith((f"{ROOT}/v2/", f"{ROOT}/test/v2/")):
            raise NotFound("ce chemin est inconnu")
        if ask.fmt not in ("xml", "json", "geojson"):
            raise NotFound("cette ressource est inconnue")
        return self._resource(ask)

    def _resource(self, ask: Ask) -> Answer:
        head, _, below = ask.resource.partition("/")
        routes: dict[tuple[str, bool], tuple[str, Callable[[Ask, str], Answer]]] = {
            ("services", False): ("GET", self._services),
            ("services", True): ("GET", self._definition),
            ("requests", False): ("GET, POST", self._requests),
            ("requests", True): ("GET", self._request),
            ("tokens", True): ("GET", self._token),
            ("servicerequestupdates", False): ("GET, POST", self._updates),
            ("competence", False): ("GET", self._competence),
        }
        if (head, bool(below)) not in routes:
            raise NotFound("cette ressource est inconnue")
        allowed, view = routes[head, bool(below)]
        if ask.method not in (*allowed.split(", "), "HEAD"):
            raise Refusal(405, ["cette méthode n'est pas offerte"], {"Allow": f"{allowed}, HEAD"})
        self._check_jurisdiction(ask)
        return view(ask, below)

    def _check_jurisdiction(self, ask: Ask) -> None:
        given = posting.field(ask, "jurisdiction_id")
        if self.multi and not given:
            raise Refusal(400, ["jurisdiction_id est obligatoire"])
        if given and given != JURISDICTION:
            raise NotFound("le jurisdiction_id est inconnu")

    def send(self, ask: Ask, root: str, content: Any, status: int = 200) -> Answer:
        """A document, with an ETag; 304 when the client has it."""
        fmt = "json" if ask.fmt == "geojson" else ask.fmt
        content = self.edit(ask, root, copy.deepcopy(content))
        body = writing.document(fmt, root, content)
        headers = {
            "Content-Type": f"{TYPES[fmt]}; charset=utf-8",
            "Access-Control-Allow-Origin": "*",
            "ETag": f'"{listing.digest(body)}"',
        }
        if ask.method == "GET" and ask.headers.get("if-none-match") == headers["ETag"]:
            return Answer(304, b"", {"ETag": headers["ETag"]})
        return Answer(status, body, headers)

    # -- documents ------------------------------------------------------------------------

    def _discovery(self, fmt: str) -> Answer:
        changeset = city.w3c(self.started - timedelta(days=30))
        endpoints = [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{self.address}{ROOT}{place}/v2",
                "changeset": changeset,
                "type": kind,
                "formats": ["text/xml", "application/json"],
            }
            for place, kind in (("", "production"), ("/test", "test"))
        ]
        content = {
            "changeset": changeset,
            "contact": "mairie@lyria.example",
            "key_service": "Demandez une clé à mairie@lyria.example",
            "endpoints": endpoints,
        }
        ask = Ask("GET", f"{ROOT}/discovery.{fmt}", [], {})
        content = self.edit(ask, "discovery", content)
        return Answer(
            200, writing.document(fmt, "discovery", content), {"Content-Type": TYPES[fmt]}
        )

    def _services(self, ask: Ask, _: str) -> Answer:
        english = ask.value("locale") == "en"
        rows = [
            {k: v for k, v in row.items() if k[0] != "_"}
            | ({"service_name": row["_en"]} if english else {})
            for row in city.CATALOGUE
        ]
        if ask.value("lat") and ask.value("long"):
            near = abs(float(ask.value("lat")) - city.LAT) < 1
            rows = rows if near else rows[:1]
        return self.send(ask, "services", rows)

    def _definition(self, ask: Ask, code: str) -> Answer:
        if code not in {row["service_code"] for row in city.CATALOGUE}:
            raise NotFound("ce service_code est inconnu")
        rows = [dict(row) for row in city.DEFINITIONS.get(code, [])]
        if ask.value("extensions") == "true" and rows:
            rows[-2]["automated"] = "hidden_field"
        return self.send(ask, "service_definition", {"service_code": code, "attributes": rows})

    def _requests(self, ask: Ask, _: str) -> Answer:
        if ask.method == "POST":
            return self.send(ask, "service_requests", self._post(ask))
        rows, headers = listing.select(self.requests, ask)
        if ask.fmt == "geojson":
            return self.send(ask, "", listing.geojson(rows))
        answer = self.send(ask, "service_requests", rows)
        answer.headers |= headers
        return answer

    def _request(self, ask: Ask, service_request_id: str) -> Answer:
        rows = [row for row in self.requests if row["service_request_id"] == service_request_id]
        if not rows:
            raise NotFound("cette demande est inconnue")
        return self.send(ask, "service_requests", [listing.shown(rows[0], ask)])

    def _token(self, ask: Ask, token: str) -> Answer:
        if token not in self.tokens:
            raise NotFound("ce jeton est inconnu")
        ready, service_request_id = self.tokens[token]
        row = {"token": token}
        if datetime.now(UTC) >= ready:
            row = {"service_request_id": service_request_id, "token": token}
        return self.send(ask, "service_requests", [row])

    def _competence(self, ask: Ask, _: str) -> Answer:
        if not (ask.value("lat") and ask.value("long")):
            raise Refusal(400, ["lat et long sont obligatoires"])
        return self.send(ask, "competences", [{"body": "Ville de Lyria", "service_code": "waste"}])

    # -- writing --------------------------------------------------------------------------

    def _check_key(self, ask: Ask) -> None:
        bearer = ask.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if (posting.field(ask, "api_key") or bearer) != KEY:
            raise Refusal(403, ["la clé est absente ou inconnue"])

    def _post(self, ask: Ask) -> list[dict[str, Any]]:
        form = posting.form_of(ask)
        self._check_key(ask)
        replay = ask.headers.get("idempotency-key", "")
        if replay in self.replays:
            before, rows = self.replays[replay]
            if before != form:
                raise Refusal(422, ["cette clé d'idempotence a servi à une autre demande"])
            return rows
        draft = posting.validated(form)
        rows = [self._record(draft)]
        if replay:
            self.replays[replay] = (form, rows)
        return rows

    def _record(self, draft: posting.Draft) -> dict[str, Any]:
        notice = {"service_notice": "Merci", "account_id": draft.account_id}
        if draft.kind == "blackbox":
            return {"service_request_id": None, **notice}
        self.next_number += 1
        row = city.request(self.next_number, draft.service, datetime.now(UTC), closed=False)
        row |= draft.public() | {"updated_datetime": row["requested_datetime"]}
        self.requests.append(row)
        if draft.kind == "batch":
            token = secrets.token_urlsafe(24)
            ready = datetime.now(UTC) + timedelta(seconds=TOKEN_DELAY_S)
            self.tokens[token] = (ready, row["service_request_id"])
            return {"token": token, **notice}
        return {"service_request_id": row["service_request_id"], **notice}

    def _updates(self, ask: Ask, _: str) -> Answer:
        if ask.method == "GET":
            rows = listing.updates_between(self.updates, ask)
            return self.send(ask, "service_request_updates", rows)
        self._check_key(ask)
        update = posting.update_of(ask, {row["service_request_id"] for row in self.requests})
        if update["update_id"] not in {row["update_id"] for row in self.updates}:
            self.updates.append(update)
        return self.send(ask, "service_request_updates", [{"update_id": update["update_id"]}])
