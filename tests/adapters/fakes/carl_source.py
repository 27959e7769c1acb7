"""A FAKE of CARL Source, built from three public clients of its API.

Seen there: /api/entities/v1/{type}, `application/vnd.api+json`, `X-CS-Access-Token`, the
entity `mr` with description, workPriority, latitude, longitude and the relationship
`symptom`, `filter[…]` and `page[limit]`. Supposed here: what /api/auth/v1/authenticate
takes and answers, `code`, `longDesc`, `site` and `statusCode` on `mr`.
"""

from __future__ import annotations

import secrets
from typing import Any

from open311.adapters.testing.fake_server import FakeTool, Handler, Held, Reply, Request

LOGIN, PASSWORD = "open311", "carl-password-123"
_TYPE = {"Content-Type": "application/vnd.api+json"}
_CODES = {"site": {"GENTILLY": "site-17"}, "symptom": {"OPEN311": "symptom-4"}}


class FakeCarl(FakeTool):
    """Keeps requests (`mr`), and gives tokens that can be revoked."""

    key_field = "xtraTxt01"
    text_fields = ("description", "longDesc")
    first_status = "REQUEST"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()
        self.logins = 0
        self.knows_no_filter = False

    def refuse(self, request: Request) -> Reply | None:
        if request.path == "/api/auth/v1/authenticate":
            return None
        if request.headers.get("X-CS-Access-Token") not in self.tokens:
            return Reply(401, {"errors": [{"title": "Unauthorized"}]})
        if request.body and request.headers.get("Content-Type") != _TYPE["Content-Type"]:
            return Reply(415, {"errors": [{"title": "Unsupported media type"}]})
        return None

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/api/auth/v1/authenticate", self._login),
            ("GET", "/api/entities/v1/mr", self._search),
            ("GET", "/api/entities/v1/(site|symptom)", self._code),
            ("POST", "/api/entities/v1/mr", self._create),
            ("GET", "/api/entities/v1/mr/([^/]+)", self._read),
        ]

    def _login(self, request: Request) -> Reply:
        if request.form() != {"login": LOGIN, "password": PASSWORD}:
            return Reply(401, {"errors": [{"title": "Bad credentials"}]})
        self.logins += 1
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return Reply(200, {"X-CS-Access-Token": token})

    def _search(self, request: Request) -> Reply:
        wanted = request.query["filter[xtraTxt01]"]
        every = [*self.held.values()]
        found = [each for each in every if each.fields["xtraTxt01"] == wanted]
        if self.knows_no_filter:
            found = every[: int(request.query["page[limit]"])]
        return Reply(200, {"data": [_resource(each) for each in found]}, _TYPE)

    def _code(self, request: Request, kind: str) -> Reply:
        codes = _CODES[kind]
        wanted = request.query.get("filter[code]", next(iter(codes)))
        data = [{"type": kind, "id": codes[wanted]}] if wanted in codes else []
        return Reply(200, {"data": data}, _TYPE)

    def _create(self, request: Request) -> Reply:
        data = request.json()["data"]
        assert data["type"] == "mr"
        for kind in ("site", "symptom"):
            related = data["relationships"][kind]["data"]
            assert related == {"type": kind, "id": next(iter(_CODES[kind].values()))}
        assert len(data["attributes"]["description"]) <= 60
        return Reply(201, {"data": _resource(self.hold(data["attributes"]))}, _TYPE)

    def _read(self, _: Request, id_: str) -> Reply:
        if id_ not in self.held:
            return Reply(404, {"errors": [{"title": "Not found"}]})
        return Reply(200, {"data": _resource(self.held[id_])}, _TYPE)


def _resource(held: Held) -> dict[str, Any]:
    attributes = {**held.fields, "code": f"DI{held.id}", "statusCode": held.status}
    return {"type": "mr", "id": held.id, "attributes": attributes}
