"""How the text of one setting becomes its value, or is refused by a French sentence.

Each reader takes the text of the environment, stripped, and raises ValueError with
what was expected; a reader of addresses repeats nothing of what may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

#: Takes the text, gives the value; raises ValueError with a French sentence.
Reader = Callable[[str], Any]


def some_text(raw: str) -> str:
    """What was written, when anything was."""
    if not raw:
        raise ValueError("une valeur est attendue")
    return raw


def whole(low: int, high: int) -> Reader:
    """A whole number between two others, both allowed."""

    def read(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", raw) or not low <= int(raw) <= high:
            raise ValueError(f"un nombre entier entre {low} et {high} est attendu")
        return int(raw)

    return read


def seconds(high: int) -> Reader:
    """A number of seconds from 0 to `high`, with decimals or without."""

    def read(raw: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", raw) or float(raw) > high:
            raise ValueError(f"un nombre de secondes entre 0 et {high} est attendu")
        return float(raw)

    return read


def one_of(*choices: str) -> Reader:
    """One of these words, in any case."""

    def read(raw: str) -> str:
        found = {choice.lower(): choice for choice in choices}.get(raw.lower())
        if found is None:
            raise ValueError(f"valeurs acceptées : {', '.join(choices)}")
        return found

    return read


def database_address(raw: str) -> str:
    """A URL of SQLAlchemy that names an SQLite file or a PostgreSQL database."""
    scheme = raw.partition(":")[0].partition("+")[0]
    if scheme not in {"sqlite", "postgresql"} or "://" not in raw:
        # The value is not repeated: it may hold a password.
        raise ValueError(
            "une adresse sqlite:///chemin ou postgresql://utilisateur:secret@hôte/base est attendue"
        )
    try:
        named = make_url(raw).database
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            "l'adresse est illisible ; le port est un nombre, et « @ », « / », « : » d'un mot de "
            "passe s'écrivent %40, %2F, %3A"
        ) from error
    if scheme == "sqlite" and not named:
        raise ValueError("il manque le chemin du fichier : sqlite:///open311.sqlite3")
    return raw


def http_address(raw: str) -> str:
    """An http(s) URL without user, query or fragment; its last slash is taken away."""
    if not re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#\[\]:]+)(:[0-9]+)?(/\S*)?", raw):
        raise ValueError("une adresse http:// ou https:// est attendue")
    if any(mark in raw for mark in "@?#"):
        raise ValueError("l'adresse ne porte ni identifiant, ni « ? », ni « # »")
    return raw.rstrip("/")


def smtp_address(raw: str) -> str:
    """An smtp(s) URL with a host."""
    parts = urlsplit(raw)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        # The value is not repeated: it may hold a password.
        raise ValueError("une adresse smtp://hôte:port ou smtps://hôte:port est attendue")
    return raw
