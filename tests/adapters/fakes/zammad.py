"""A FAKE of Zammad, built from its public API documentation.

Seen there: `Authorization: Token token=…`, POST /api/v1/tickets with an article,
`customer_id: guess:…`, articles with base64 attachments, states by name with
`expand=true`, errors as `error` and `error_human`.
"""

from __future__ import annotations

import base64

from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request

TOKEN = "zammad-token-123456789"
_STATES = {"new", "open", "pending reminder", "pending close", "closed", "merged", "removed"}


class FakeZammad(FakeTool):
    """Keeps tickets and their articles."""

    key_field = "open311_id"
    text_fields = ("title", "body")
    first_status = "new"

    def refuse(self, request: Request) -> Reply | None:
        if request.headers.get("Authorization") == f"Token token={TOKEN}":
            return None
        return Reply(401, {"error": "Invalid token!"})

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/api/v1/users/me", lambda _: Reply(200, {"login": "open311@ville.test"})),
            ("POST", "/api/v1/tickets", self._create),
            ("GET", "/api/v1/tickets/([0-9]+)", self._read),
            ("PUT", "/api/v1/tickets/([0-9]+)", self._update),
            ("POST", "/api/v1/ticket_articles", self._article),
            ("GET", "/api/v1/ticket_articles/by_ticket/([0-9]+)", self._articles),
        ]

    def _create(self, request: Request) -> Reply:
        fields = request.json()
        article = fields.pop("article")
        assert fields["customer_id"].startswith("guess:")
        if not fields.get("title"):
            return Reply(422, {"error": "title required", "error_human": "Le titre manque"})
        held = self.hold({**fields, "body": article["body"]})
        return Reply(201, {"id": int(held.id), "number": f"67{held.id}", "state_id": 1})

    def _read(self, request: Request, id_: str) -> Reply:
        if id_ not in self.held:
            return Reply(404, {"error": "Couldn't find Ticket"})
        assert request.query["expand"] == "true"
        return Reply(200, {"id": int(id_), "number": f"67{id_}", "state": self.held[id_].status})

    def _update(self, request: Request, id_: str) -> Reply:
        state = request.json()["state"]
        assert state in _STATES
        self.touched(self.held[id_]).status = state
        return Reply(200, {"id": int(id_)})

    def _article(self, request: Request) -> Reply:
        fields = request.json()
        held = self.touched(self.held[str(fields["ticket_id"])])
        for file in fields.get("attachments", []):
            assert base64.b64decode(file["data"])
            assert file["mime-type"].startswith("image/")
            held.files.append(file["filename"])
        held.notes.append(fields["body"])
        return Reply(201, {"id": len(held.notes)})

    def _articles(self, _: Request, id_: str) -> Reply:
        held = self.held[id_]
        notes = [{"body": note, "attachments": []} for note in held.notes]
        files = {"body": "", "attachments": [{"filename": name} for name in held.files]}
        return Reply(200, [*notes, files])
