"""A mailbox as a destination of a started city, and the links that its mails would hold."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from open311.domain.delivery import TicketReceipt
from open311.domain.signed_link import SignedLink, sign_link
from open311.storage import tickets
from open311.storage.database import Database
from tests.acceptance.conftest import LAT, LONG, City

SECRET = "un-secret-partage-de-plus-de-32-octets"
MAILBOX = """
[[destinations]]
name = "boite"
profile = "email"
settings = {{ host = "localhost", sender = "a@ville.example", recipients = "b@ville.example" }}
secrets = {{ link_key = "file:{secret}" }}
"""


def reported(city: City, description: str) -> str:
    """A request whose ticket is in the mailbox (no worker runs: it is said to be)."""
    told = {"service_code": "proprete", "api_key": city.key, "lat": LAT, "long": LONG}
    body = urlencode(told | {"description": description}).encode()
    with urllib.request.urlopen(f"{city.own_base}/requests.json", body) as answer:
        id_ = str(json.load(answer)[0]["service_request_id"])
    path = Path(city.server.log).parent / "open311.sqlite3"
    with sqlite3.connect(path) as bare:
        ((key,),) = bare.execute("SELECT max(request_key) FROM service_request").fetchall()
    database = Database(f"sqlite:///{path}")
    try:
        database.write(
            lambda connection: tickets.put_ticket(
                connection, "boite", key, TicketReceipt(id_), datetime.now(UTC)
            )
        )
    finally:
        database.close()
    return id_


def link_to(id_: str, action: str) -> str:
    """Path and query of a link that is good for a day."""
    expires = datetime.now(UTC) + timedelta(days=1)
    return f"/agent?t={sign_link(SignedLink('boite', id_, action, expires), SECRET.encode())}"


def address_of(city: City) -> str:
    """Scheme, host and port of a city's server."""
    parts = urlsplit(city.base)
    return f"{parts.scheme}://{parts.netloc}"
