"""What an adapter may call certain after an answer that is no success to a create."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from open311.adapters.registry import make_adapter
from open311.domain.delivery import (
    Destination,
    OutcomeUnknown,
    ToolBusy,
    ToolError,
    ToolRefused,
)
from tests.adapters.tickets import LOOPBACK, ticket

PAGE = b"""<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Erreur</title></head><body/></html>"""


def fault(code: str) -> bytes:
    """A SOAP 1.1 fault."""
    return f"""<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
<faultcode>{code}</faultcode><faultstring>base indisponible</faultstring>
</s:Fault></s:Body></s:Envelope>""".encode()


@contextmanager
def always(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """A server that makes a ticket, if you like, and always answers the same."""

    class Same(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Same)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def soap_error(url: str) -> ToolError:
    """What the SOAP engine, grade none, says of a create."""
    settings = {"base_url": url, "type_demande": "1001", "service_demandeur": "OPEN311"}
    tool = Destination("ville", "atal-v5", (), settings, epsg=2154, allowed_networks=LOOPBACK)
    return create_error(tool)


def rest_error(url: str, folder: Path) -> ToolError:
    """What the REST engine, grade none, says of a create."""
    path = folder / "mine.toml"
    path.write_text(
        """
format = 1
name = "outil"
version = "1"
kind = "rest"
title = "Outil"
idempotency = "none"
[tried]
untried = "rien"
[operations.probe]
method = "GET"
path = "/ping"
[operations.create]
method = "POST"
path = "/tickets"
body = "json"
fields = [{ to = "title", from = "title" }]
answer = { ticket_id = "id" }
"""
    )
    settings = {"base_url": url}
    return create_error(Destination("ville", str(path), (), settings, allowed_networks=LOOPBACK))


def create_error(destination: Destination) -> ToolError:
    adapter = make_adapter(destination)
    try:
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket())
    finally:
        adapter.close()
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, PAGE, OutcomeUnknown),
        (200, PAGE, OutcomeUnknown),
        (500, fault("soap:Server"), OutcomeUnknown),
        (500, fault("s:Server.generalException"), OutcomeUnknown),
        (500, fault("s:Client"), ToolRefused),
        (500, fault("s:MustUnderstand"), ToolRefused),
    ],
)
def test_only_a_fault_of_ours_says_that_soap_did_nothing(
    status: int, body: bytes, error: type[ToolError]
) -> None:
    """Grade none: what is not certain is flagged, never sent again by itself."""
    with always(status, body, Content_Type="text/xml") as url:
        assert type(soap_error(url)) is error


@pytest.mark.parametrize("engine", ["soap", "rest"])
@pytest.mark.parametrize(
    ("headers", "error"), [({}, OutcomeUnknown), ({"Retry_After": "7"}, ToolBusy)]
)
def test_a_503_is_the_tools_own_word_only_if_it_says_when_to_come_back(
    tmp_path: Path, engine: str, headers: dict[str, str], error: type[ToolError]
) -> None:
    """A gateway that lost its tool half-way says 503 too, and knows of no moment."""
    with always(503, PAGE, **headers) as url:
        told = soap_error(url) if engine == "soap" else rest_error(url, tmp_path)
    assert type(told) is error
