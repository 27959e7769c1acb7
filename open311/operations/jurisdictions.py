"""Applying jurisdiction files: the file is the source of truth, the database follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.config.jurisdiction_file import describe_difference, keep_withdrawn
from open311.domain.errors import InvalidRequest
from open311.storage import catalogue

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Applied:
    """What applying one file changed.

    Attributes:
        differences: French lines for the operator; empty when nothing changed.
        renames: whether stored documents show words that have changed (names of
            services, language of notes): `rerender_side` brings them along.
    """

    jurisdiction_id: str
    differences: tuple[str, ...]
    renames: bool


def apply_jurisdiction(connection: Connection, document: Document, *, now: datetime) -> Applied:
    """Put a checked document in force; the same document again changes nothing.

    Services that left the file are withdrawn, not deleted: their requests keep them.
    The changeset moves when services or their definitions do, else it stays (C-041).

    Args:
        document: what `read_jurisdiction_file` gave.

    Raises:
        InvalidRequest: another jurisdiction has a destination of the same name.
    """
    id_ = document["jurisdiction_id"]
    _check_names_free(connection, id_, document)
    found = catalogue.find_jurisdiction(connection, id_)
    old, changeset = found or (None, now)
    new = json.loads(json.dumps(keep_withdrawn(old, document)))
    if old == new:
        return Applied(id_, (), renames=False)
    if old is not None and old["services"] != new["services"]:
        changeset = now
    catalogue.put_jurisdiction(connection, id_, new, changeset)
    differences = tuple(describe_difference(old, document))
    return Applied(id_, differences, renames=old is not None and _words(old) != _words(new))


def _check_names_free(connection: Connection, id_: str, document: Document) -> None:
    """A destination's queue, pause and tickets go by its name alone."""
    wanted = {each["name"] for each in document.get("destinations", ())}
    for other, names in catalogue.destination_names(connection).items():
        for name in sorted(wanted & names) if other != id_ else ():
            raise InvalidRequest(
                f"destinations : « {name} » est déjà une destination de « {other} » ; "
                "un nom vaut pour toute l'installation."
            )


def _words(document: Document) -> tuple[str, dict[str, str]]:
    """What stored documents repeat of a jurisdiction's document."""
    language = document["language"]
    names = {each["service_code"]: each["service_name"] for each in document["services"]}
    return language, {code: name.get(language, "") for code, name in names.items()}
