"""An INVENTED server for the template `astech-rest`. It imitates nothing.

No public specification of AS-TECH's interface was found. This server was made after the
template, only to show that a login, a French date, a Lambert position and a multipart
document can be said in a profile. It is no evidence about AS-TECH whatsoever.
"""

from __future__ import annotations

import re
import secrets

from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request

LOGIN, PASSWORD = "open311", "astech-password-123"


class InventedAstech(FakeTool):
    """Keeps « demandes » with their « position »."""

    key_field = "reference_externe"
    text_fields = ("objet", "description", "lieu", "demandeur")
    first_status = "Enregistrée"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def refuse(self, request: Request) -> Reply | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path == "/api/login" or token in self.tokens:
            return None
        return Reply(401, {"message": "non connecté"})

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/api/login", self._login),
            ("GET", "/api/demandes", lambda _: Reply(200, [])),
            ("POST", "/api/demandes", self._create),
            ("GET", "/api/demandes/([0-9]+)", self._read),
            ("POST", "/api/demandes/([0-9]+)/documents", self._document),
        ]

    def _login(self, request: Request) -> Reply:
        if request.json() != {"login": LOGIN, "password": PASSWORD}:
            return Reply(401, {"message": "compte inconnu"})
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return Reply(200, {"token": token})

    def _create(self, request: Request) -> Reply:
        fields = request.json()
        assert fields["nature"] == "VOI"
        assert (fields["x"], fields["y"]) == (651856.48, 6857192.14)
        assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d", fields["date_demande"])
        held = self.hold(fields)
        return Reply(201, {"id": int(held.id), "numero": f"D{held.id}", "position": held.status})

    def _read(self, _: Request, id_: str) -> Reply:
        if id_ not in self.held:
            return Reply(404, {"message": "demande inconnue"})
        return Reply(200, {"numero": f"D{id_}", "position": self.held[id_].status})

    def _document(self, request: Request, id_: str) -> Reply:
        name, _, content = request.parts()["fichier"]
        assert content
        self.held[id_].files.append(name)
        return Reply(201, {})
