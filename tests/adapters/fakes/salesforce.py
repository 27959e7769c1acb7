"""A FAKE of Salesforce, built from its public REST API guide.

Seen there: the token of OAuth2 « client credentials », PATCH on an external id (201
created, 200 updated), sobjects, SOQL, errors as a list with `message` and `errorCode`,
dates such as 2026-11-16T09:30:00.000+0000.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request

CLIENT_ID, CLIENT_SECRET = "consumer-key", "consumer-secret-123456"
_BASE = "/services/data/v61.0"


class FakeSalesforce(FakeTool):
    """Keeps cases, upserted by our key; tokens can be revoked."""

    key_field = "Open311_Id__c"
    text_fields = ("Subject", "Description", "SuppliedName", "SuppliedEmail")
    first_status = "New"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def refuse(self, request: Request) -> Reply | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if request.path == "/services/oauth2/token" or (
            scheme == "Bearer" and token in self.tokens
        ):
            return None
        return Reply(401, [{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}])

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/services/oauth2/token", self._token),
            ("GET", f"{_BASE}/limits", lambda _: Reply(200, {})),
            ("GET", f"{_BASE}/query", self._query),
            ("PATCH", f"{_BASE}/sobjects/Case/Open311_Id__c/(.+)", self._upsert),
            ("GET", f"{_BASE}/sobjects/Case/([^/]+)", self._read),
            ("PATCH", f"{_BASE}/sobjects/Case/([^/]+)", self._update),
            ("POST", f"{_BASE}/sobjects/ContentVersion", self._file),
            ("POST", f"{_BASE}/sobjects/CaseComment", self._comment),
        ]

    def _token(self, request: Request) -> Reply:
        form = request.form()
        assert form["grant_type"] == "client_credentials"
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(400, {"error": "invalid_client", "error_description": "bad secret"})
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return Reply(200, {"access_token": token, "token_type": "Bearer"})

    def _upsert(self, request: Request, key: str) -> Reply:
        fields = {**request.json(), "Open311_Id__c": key}
        for held in self.held.values():
            if held.fields["Open311_Id__c"] == key:
                held.fields.update(fields)
                return Reply(200, {"id": held.id, "success": True, "created": False})
        held = self.hold(fields, f"500{len(self.held):012d}")
        return Reply(201, {"id": held.id, "success": True, "created": True})

    def _read(self, _: Request, id_: str) -> Reply:
        if id_ not in self.held:
            return Reply(404, [{"message": "not found", "errorCode": "NOT_FOUND"}])
        return Reply(200, {"Status": self.held[id_].status, "CaseNumber": id_[-8:]})

    def _update(self, request: Request, id_: str) -> Reply:
        self.touched(self.held[id_]).status = request.json()["Status"]
        return Reply(204)

    def _file(self, request: Request) -> Reply:
        fields = request.json()
        assert fields["VersionData"]
        self.held[fields["FirstPublishLocationId"]].files.append(fields["Title"])
        return Reply(201, {"id": "068", "success": True})

    def _comment(self, request: Request) -> Reply:
        fields = request.json()
        self.held[fields["ParentId"]].notes.append(fields["CommentBody"])
        return Reply(201, {"id": "00a", "success": True})

    def _query(self, request: Request) -> Reply:
        query = request.query["q"]
        owner = re.search(r"(?:FirstPublishLocationId|ParentId) = '(\w+)'", query)
        if owner is not None:
            held = self.held[owner[1]]
            titles = [{"Title": name} for name in held.files]
            bodies = [{"CommentBody": note} for note in held.notes]
            return Reply(200, {"records": titles if "ContentVersion" in query else bodies})
        told = re.search(r"LastModifiedDate >= (\S+) .* LIMIT (\d+) OFFSET (\d+)", query)
        assert told is not None
        after, size, start = datetime.fromisoformat(told[1]), int(told[2]), int(told[3])
        found = sorted(
            (each for each in self.held.values() if each.changed >= after),
            key=lambda each: each.changed,
        )
        records = [
            {"Id": each.id, "CaseNumber": each.id[-8:], "Status": each.status,
             "LastModifiedDate": each.changed.strftime("%Y-%m-%dT%H:%M:%S.000+0000")}
            for each in found[start : start + size]
        ]  # fmt: skip
        return Reply(200, {"records": records})
