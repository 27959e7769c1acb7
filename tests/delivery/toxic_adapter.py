"""The adapter of the toxic peer: small, synchronous, as plain as an adapter can be."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import quote, urlsplit

from requests.structures import CaseInsensitiveDict

from open311.adapters.contract import DeniedMethods
from open311.adapters.outcomes import failure_of
from open311.adapters.wire import Reply
from open311.domain.delivery import (
    Attachment,
    Capabilities,
    Destination,
    Exchange,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolUnreachable,
)

#: Shorter than the peer's lateness.
TIMEOUT_S = 0.35


class ToxicAdapter(DeniedMethods):
    """One grade of the toxic peer; settings: `base_url`, `grade`."""

    def __init__(self, destination: Destination) -> None:
        self._grade = destination.settings["grade"]
        self._address = urlsplit(destination.settings["base_url"]).netloc

    @property
    def capabilities(self) -> Capabilities:
        grade = Idempotency(self._grade)
        return Capabilities(grade, photo_idempotency=grade, comment_idempotency=grade)

    def probe(self) -> str:
        self.lookup("probe")
        return "toxic"

    def lookup(self, key: str) -> TicketReceipt | None:
        found = self._found("tickets", key)
        return TicketReceipt(str(found[0]["id"])) if found else None

    def create(self, ticket: Ticket) -> TicketReceipt:
        found = self._call("POST", f"/{self._grade}/tickets", {"key": ticket.key})
        return TicketReceipt(str(found["id"]))

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        return self._add(f"tickets/{receipt.ticket_id}/files", attachment.name)

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        return self._add(f"tickets/{receipt.ticket_id}/notes", key)

    def lookup_attachment(self, receipt: TicketReceipt, attachment: Attachment) -> Exchange | None:
        found = self._found(f"tickets/{receipt.ticket_id}/files", attachment.name)
        return Exchange("files") if found else None

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        found = self._found(f"tickets/{receipt.ticket_id}/notes", key)
        return Exchange("notes") if found else None

    def stage_of(self, status: str) -> str | None:
        raise NotImplementedError

    def preview(self, ticket: Ticket) -> str:
        return ticket.key

    def close(self) -> None:
        """Every call has a connection of its own."""

    def _found(self, path: str, key: str) -> Any:
        return self._call("GET", f"/{self._grade}/{path}?key={quote(key)}")

    def _add(self, path: str, key: str) -> Exchange:
        self._call("POST", f"/{self._grade}/{path}", {"key": key})
        return Exchange(f"POST {path}", key, 201)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            raise ToolUnreachable(str(error)) from error
        headers = {"X-Sender": str(os.getpid()), "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body).encode() if body else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise OutcomeUnknown(type(error).__name__) from error
        finally:
            connection.close()
        exchange = Exchange(f"{method} {path}", content.decode(), answer.status)
        if answer.status >= 400:
            # The server's own judgement of what is certain, which is what is proved here.
            reply = Reply(answer.status, CaseInsensitiveDict(answer.headers), content, exchange)
            raise failure_of(reply, reply.words(reply.text), safe=method == "GET")
        try:
            return json.loads(content)
        except ValueError as error:
            raise OutcomeUnknown("garbage", exchange=exchange) from error
