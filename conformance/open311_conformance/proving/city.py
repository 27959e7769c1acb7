"""The invented city of the reference server: catalogue and requests."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
LAT, LONG = 45.75, 4.85
AGENCIES = ("Voirie", "Propreté")
OPTION = [{"key": "small", "name": "Petit"}, {"key": "large", "name": "Grand"}]


def w3c(moment: datetime) -> str:
    """UTC with Z, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def service(code: str, name: str, kind: str, *, metadata: bool, english: str) -> Row:
    """A service of the catalogue; ``english`` is its name under locale=en."""
    return {
        "service_code": code,
        "service_name": name,
        "description": f"{name} sur l'espace public",
        "metadata": metadata,
        "type": kind,
        "keywords": "rue,espace public",
        "group": "Rue",
        "_en": english,
    }


CATALOGUE = [
    service("waste", "Dépôt sauvage", "realtime", metadata=False, english="Illegal dumping"),
    service("pothole", "Nid-de-poule", "realtime", metadata=True, english="Pothole"),
    service("lamp", "Éclairage", "batch", metadata=False, english="Street light"),
    service("tip", "Information", "blackbox", metadata=False, english="Information"),
]


def attribute(code: str, datatype: str, order: int, **more: Any) -> Row:
    """An attribute of a definition."""
    row = {
        "variable": True,
        "code": code,
        "datatype": datatype,
        "required": False,
        "datatype_description": f"Réponse de type {datatype}",
        "order": order,
        "description": f"Question {order} ?",
        **more,
    }
    if datatype.endswith("list"):
        row["values"] = OPTION
    return row


DEFINITIONS = {
    "pothole": [
        attribute("SIZE", "singlevaluelist", 1, required=True),
        attribute("SIDES", "multivaluelist", 2, required=True),
        attribute("HOWMANY", "number", 3, required=True),
        attribute("SEEN", "datetime", 4),
        attribute("WHO", "string", 5),
        attribute("MORE", "text", 6),
        attribute("INFO", "string", 7, variable=False),
    ]
}


def request(number: int, service_row: Row, requested: datetime, *, closed: bool) -> Row:
    """A request with every field of the standard, and what extensions tell (underscored)."""
    chance = random.Random(number)
    updated = requested + timedelta(hours=5 + chance.randrange(40))
    return {
        "service_request_id": str(number),
        "status": "closed" if closed else "open",
        "status_notes": "Réparé" if closed else None,
        "service_name": service_row["service_name"],
        "service_code": service_row["service_code"],
        "description": f"Signalement numero{number:06d} devant le portail",
        "agency_responsible": AGENCIES[number % 2],
        "service_notice": None,
        "requested_datetime": w3c(requested),
        "updated_datetime": w3c(updated),
        "expected_datetime": w3c(updated + timedelta(days=9)) if number % 3 else None,
        "address": f"{number} rue des Lilas, 01000 Lyria",
        "address_id": str(700 + number),
        "zipcode": "01000",
        "lat": round(LAT + chance.uniform(-0.02, 0.02), 6),
        "long": round(LONG + chance.uniform(-0.02, 0.02), 6),
        "media_url": "https://www.example.org/photo.jpg" if number % 4 == 0 else None,
    }


def history(now: datetime) -> list[Row]:
    """Forty requests of the last 80 days and six of before the default window."""
    recent = [
        request(100 + n, CATALOGUE[n % 2], now - timedelta(days=2 + n * 1.9, minutes=n * 7),
                closed=n % 3 == 0)
        for n in range(40)
    ]  # fmt: skip
    old = [
        request(50 + n, CATALOGUE[n % 2], now - timedelta(days=110 + n * 10), closed=True)
        for n in range(6)
    ]
    return recent + old
