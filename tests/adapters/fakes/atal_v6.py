"""A FAKE of ATAL v6, built from the public connector IMIO/passerelle-imio-ia-tech.

Seen there: `X-API-Key`, GET /api/Test, POST /api/WorksRequests with Object, Description,
RequesterId, RecipientId, RequestingDepartmentId, RequestType, Localization, Longitude and
Latitude, POST …/{uuid}/Attachments (multipart `file`), GET …/{uuid}, the option `$expand`
with `Responses` and its refusal by older servers. Supposed here, to be checked on a real
server: the names `Id`, `Number` and `State` in answers, `Description` in `Responses`.
"""

from __future__ import annotations

import uuid

from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request

KEY = "atal-key-1234567890"
_REQUIRED = ("Object", "Description", "RequesterId", "RecipientId", "RequestType")


class FakeAtalV6(FakeTool):
    """Keeps work requests; takes no reference of ours: two posts are two requests."""

    key_field = "Description"
    text_fields = ("Object", "Description", "Localization", "Contact")
    first_status = "1"
    #: Whether this server is of before the option `$expand=Responses`.
    is_old = False

    def refuse(self, request: Request) -> Reply | None:
        return None if request.headers.get("X-API-Key") == KEY else Reply(401)

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/api/Test", lambda _: Reply(200, b"OK", {"Content-Type": "text/plain"})),
            ("GET", "/api/ThirdParties", lambda _: Reply(200, [{"Id": 690, "Name": "Voirie"}])),
            ("POST", "/api/WorksRequests", self._create),
            ("GET", "/api/WorksRequests/([^/]+)", self._read),
            ("POST", "/api/WorksRequests/([^/]+)/Attachments", self._attach),
        ]

    def _create(self, request: Request) -> Reply:
        fields = request.json()
        missing = [name for name in _REQUIRED if not fields.get(name)]
        if missing:
            return Reply(400, {"title": "Bad Request", "detail": f"{missing[0]} is required"})
        assert isinstance(fields["RequestType"], int)
        held = self.hold(fields, str(uuid.uuid4()))
        return Reply(201, {"Id": held.id, "Number": f"DI-{len(self.held)}", "State": held.status})

    def _read(self, request: Request, id_: str) -> Reply:
        expands = request.query.get("$expand") == "Responses"
        if expands and self.is_old:
            return Reply(400, {"detail": "Could not find a property named 'Responses'."})
        if id_ not in self.held:
            return Reply(404, {"title": "Not Found", "detail": "no such request"})
        held = self.held[id_]
        said = {"Responses": [{"Description": each} for each in held.notes]} if expands else {}
        return Reply(200, {**held.fields, "Id": held.id, "State": held.status, **said})

    def _attach(self, request: Request, id_: str) -> Reply:
        name, media_type, content = request.parts()["file"]
        assert media_type.startswith("image/")
        assert content
        self.held[id_].files.append(name)
        return Reply(200, {"Id": str(uuid.uuid4())})
