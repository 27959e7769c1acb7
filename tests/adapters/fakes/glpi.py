"""A FAKE of GLPI ≤ 10, built from `apirest.md` of the public GLPI repository.

Seen there: initSession with `user_token`, `Session-Token`, 201 with an id, 206 for partial
lists, `input`, `uploadManifest`, sub-items, search with criteria, errors as a list of a
code and a sentence. Supposed here: `externalid` in searchText, linking a document by
itemtype and items_id, search options 2, 12 and 19.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from zoneinfo import ZoneInfo

from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request

USER_TOKEN = "glpi-user-token-123456"
_ZONE = ZoneInfo("Europe/Paris")
_FORMAT = "%Y-%m-%d %H:%M:%S"


class FakeGlpi(FakeTool):
    """Keeps tickets, with follow-ups and documents; sessions can be dropped."""

    key_field = "externalid"
    text_fields = ("name", "content")
    first_status = "1"

    def __init__(self) -> None:
        super().__init__()
        self.sessions: set[str] = set()

    def refuse(self, request: Request) -> Reply | None:
        signed = request.headers.get("Session-Token") in self.sessions
        if signed or request.path == "/apirest.php/initSession":
            return None
        return Reply(401, ["ERROR_SESSION_TOKEN_INVALID", "session_token semble incorrect"])

    def routes(self) -> list[tuple[str, str, Handler]]:
        base = "/apirest.php"
        return [
            ("GET", f"{base}/initSession", self._login),
            ("GET", f"{base}/getActiveProfile", self._profile),
            ("GET", f"{base}/Ticket", self._list),
            ("POST", f"{base}/Ticket", self._create),
            ("GET", f"{base}/search/Ticket", self._search),
            ("GET", f"{base}/Ticket/([0-9]+)", self._read),
            ("PUT", f"{base}/Ticket/([0-9]+)", self._update),
            ("GET", f"{base}/Ticket/([0-9]+)/ITILFollowup", self._notes),
            ("POST", f"{base}/ITILFollowup", self._follow_up),
            ("POST", f"{base}/Document", self._document),
        ]

    def _login(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"user_token {USER_TOKEN}":
            return Reply(401, ["ERROR_GLPI_LOGIN_USER_TOKEN", "jeton inconnu"])
        token = secrets.token_hex(20)
        self.sessions.add(token)
        return Reply(200, {"session_token": token})

    def _profile(self, _: Request) -> Reply:
        return Reply(200, {"active_profile": {"name": "Technician"}})

    def _list(self, request: Request) -> Reply:
        wanted = request.query.get("searchText[externalid]", "")
        found = [each for each in self.held.values() if wanted in each.fields["externalid"]]
        documents = [{"id": int(each.id), **each.fields, "status": each.status} for each in found]
        return Reply(206 if len(found) > 50 else 200, documents[:50])

    def _create(self, request: Request) -> Reply:
        fields = request.json()["input"]
        if not fields.get("name"):
            return Reply(400, ["ERROR_GLPI_ADD", "champ obligatoire : titre"])
        assert "<cassé>" not in fields["content"], "HTML must be escaped"
        fields["content"] = fields["content"].replace("<br>", "\n").replace("&lt;", "<")
        fields["content"] = fields["content"].replace("&#x27;", "'")
        return Reply(201, {"id": int(self.hold(fields).id), "message": ""})

    def _search(self, request: Request) -> Reply:
        told = datetime.fromisoformat(request.query["criteria[0][value]"])
        after = told.replace(tzinfo=_ZONE)
        found = sorted(
            (each for each in self.held.values() if each.changed > after),
            key=lambda each: each.changed,
        )
        start, end = (int(each) for each in request.query["range"].split("-"))
        rows = [
            {"2": int(each.id), "12": int(each.status),
             "19": each.changed.astimezone(_ZONE).strftime(_FORMAT)}
            for each in found[start : end + 1]
        ]  # fmt: skip
        whole = {"totalcount": len(found), "count": len(rows)}
        return Reply(200, {**whole, "data": rows} if rows else whole)

    def _read(self, _: Request, id_: str) -> Reply:
        if id_ not in self.held:
            return Reply(404, ["ERROR_ITEM_NOT_FOUND", "Élément introuvable"])
        return Reply(200, {"id": int(id_), "status": int(self.held[id_].status)})

    def _update(self, request: Request, id_: str) -> Reply:
        self.touched(self.held[id_]).status = str(request.json()["input"]["status"])
        return Reply(200, [{id_: True, "message": ""}])

    def _notes(self, _: Request, id_: str) -> Reply:
        return Reply(200, [{"content": f"<p>{note}</p>"} for note in self.held[id_].notes])

    def _follow_up(self, request: Request) -> Reply:
        fields = request.json()["input"]
        assert fields["itemtype"] == "Ticket"
        held = self.touched(self.held[str(fields["items_id"])])
        held.notes.append(fields["content"])
        return Reply(201, {"id": len(held.notes), "message": ""})

    def _document(self, request: Request) -> Reply:
        parts = request.parts()
        fields = json.loads(parts["uploadManifest"])["input"]
        name, _, content = parts["filename[0]"]
        assert fields["_filename"] == [name]
        assert content
        held = self.touched(self.held[str(fields["items_id"])])
        held.files.append(name)
        return Reply(201, {"id": len(held.files), "message": ""})
