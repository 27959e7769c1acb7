"""A FAKE of Odoo 19 Maintenance, built from Odoo's public JSON-2 documentation.

Seen there: POST /json/2/<model>/<method>, `Authorization: bearer`, `ids`, method arguments
by name, the method's result as the whole answer, errors with their HTTP status and a
`message`. Seen in the module: the fields of maintenance.request and its stages.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

from open311.adapters.testing.fake_server import FakeTool, Handler, Held, Reply, Request

API_KEY = "odoo-api-key-123456789"
_STAGES = {"New Request": 1, "In Progress": 2, "Repaired": 3, "Scrap": 4}
_FORMAT = "%Y-%m-%d %H:%M:%S"
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">=": lambda left, right: left >= right,
}


class FakeOdoo(FakeTool):
    """Keeps maintenance requests, their attachments and messages."""

    key_field = "x_open311_id"
    text_fields = ("name", "description")
    first_status = "New Request"

    def refuse(self, request: Request) -> Reply | None:
        if request.headers.get("Authorization") == f"bearer {API_KEY}":
            return None
        return Reply(401, {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"})

    def routes(self) -> list[tuple[str, str, Handler]]:
        request = "/json/2/maintenance.request"
        return [
            ("POST", f"{request}/create", self._create),
            ("POST", f"{request}/search_read", self._search),
            ("POST", f"{request}/write", self._write),
            ("POST", f"{request}/message_post", self._message),
            ("POST", "/json/2/maintenance.stage/search_read", self._stages),
            ("POST", "/json/2/ir.attachment/create", self._attach),
            ("POST", "/json/2/ir.attachment/search_read", self._attachments),
        ]

    def _create(self, request: Request) -> Reply:
        (fields,) = request.json()["vals_list"]
        assert "<cassé>" not in fields["description"], "HTML must be escaped"
        fields["description"] = fields["description"].replace("&lt;", "<").replace("&gt;", ">")
        return Reply(200, [int(self.hold(fields).id)])

    def _row(self, held: Held) -> dict[str, Any]:
        stage = [_STAGES.get(held.status, 9), held.status]
        changed = held.changed.astimezone(UTC).strftime(_FORMAT)
        return {**held.fields, "id": int(held.id), "stage_id": stage, "write_date": changed}

    def _search(self, request: Request) -> Reply:
        asked = request.json()
        rows = [
            row
            for row in map(self._row, self.held.values())
            if all(
                _TESTS[operator](row.get(field, False), value)
                for field, operator, value in asked.get("domain", [])
            )
        ]
        rows.sort(key=lambda row: (row["write_date"], row["id"]))
        start = asked.get("offset", 0)
        end = start + asked.get("limit", 1000)
        return Reply(
            200, [{k: row[k] for k in ["id", *asked["fields"]]} for row in rows[start:end]]
        )

    def _write(self, request: Request) -> Reply:
        asked = request.json()
        names = {number: name for name, number in _STAGES.items()}
        for number in asked["ids"]:
            held = self.touched(self.held[str(number)])
            held.status = names[asked["vals"]["stage_id"]]
        return Reply(200, True)

    def _message(self, request: Request) -> Reply:
        asked = request.json()
        held = self.touched(self.held[str(asked["ids"][0])])
        held.notes.append(asked["body"])
        return Reply(200, [len(held.notes)])

    def _stages(self, request: Request) -> Reply:
        domain = request.json().get("domain")
        names = [domain[0][2]] if domain else list(_STAGES)
        return Reply(200, [{"id": _STAGES[name]} for name in names if name in _STAGES])

    def _attach(self, request: Request) -> Reply:
        (fields,) = request.json()["vals_list"]
        assert fields["datas"]
        self.held[str(fields["res_id"])].files.append(fields["name"])
        return Reply(200, [1])

    def _attachments(self, request: Request) -> Reply:
        ((_, _, _), (_, _, id_)) = request.json()["domain"]
        return Reply(200, [{"id": 1, "name": name} for name in self.held[str(id_)].files])
