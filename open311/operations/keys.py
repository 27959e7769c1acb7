"""API keys: making, checking, rotating, revoking.

A key reads `o311_<public id>_<secret>`: 256 random bits of which only the SHA-256
is stored. A slow hash would protect nothing here (the secret cannot be guessed)
and would let anybody burn our processor.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from open311.domain.errors import Forbidden, NotFound
from open311.storage import catalogue
from open311.storage.catalogue import StoredKey

PREFIX = "o311"
#: Seconds; the longest time in which an identical body may be the same report.
LONGEST_SAME_BODY_WINDOW_S = 86_400
#: `peer`: believed when it tells which way a request came (`Open311-Origin`).
RIGHTS = ("create", "update", "staff", "peer")
#: One text for every reason: nobody learns which keys or jurisdictions exist (L1, L2).
_REFUSED = "api_key : une clé valide est nécessaire pour cette action."


def create_key(
    connection: Connection,
    *,
    label: str,
    jurisdictions: Sequence[str],
    rights: Sequence[str],
    environment: str,
    now: datetime,
    expires_datetime: datetime | None = None,
    client_reference: str | None = None,
    same_body_window_s: int = 0,
    replaces_api_key_id: str | None = None,
) -> str:
    """Make a key and store its hash; the key itself is returned once and never again."""
    api_key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    stored = StoredKey(
        api_key_id=api_key_id,
        secret_sha256=_hash(secret),
        label=label,
        environment=environment,
        jurisdictions=tuple(jurisdictions),
        rights=tuple(rights),
        client_reference=client_reference,
        same_body_window_s=same_body_window_s,
        created_datetime=now,
        expires_datetime=expires_datetime,
        replaces_api_key_id=replaces_api_key_id,
    )
    catalogue.put_key(connection, stored)
    return f"{PREFIX}_{api_key_id}_{secret}"


def rotate_key(
    connection: Connection,
    old: StoredKey,
    *,
    now: datetime,
    overlap: timedelta,
    more_rights: Sequence[str] = (),
) -> str:
    """Make a successor with the same rights, or more; the old key lives on for `overlap`."""
    end = now + overlap
    if old.expires_datetime is None or old.expires_datetime > end:
        catalogue.put_key(connection, replace(old, expires_datetime=end))
    return create_key(
        connection,
        label=old.label,
        jurisdictions=old.jurisdictions,
        rights=tuple(dict.fromkeys((*old.rights, *more_rights))),
        environment=old.environment,
        now=now,
        client_reference=old.client_reference,
        same_body_window_s=old.same_body_window_s,
        replaces_api_key_id=old.client_id,
    )


def revoke_key(connection: Connection, key: StoredKey, *, now: datetime) -> None:
    """End a key at once, in every process that serves this installation."""
    catalogue.put_key(connection, replace(key, revoked_datetime=now))


def find_key(keys: Mapping[str, StoredKey], text: str) -> StoredKey:
    """The key whose public id, or which itself, is given on the command line.

    Raises:
        NotFound: no such key.
    """
    parts = text.split("_", 2)
    key = keys.get(parts[1] if len(parts) == 3 else text)
    if key is None:
        raise NotFound(
            f"La clé « {parts[1] if len(parts) == 3 else text} » n'existe pas : "
            "« open311 key list » les montre toutes."
        )
    return key


def authenticate(
    keys: Mapping[str, StoredKey],
    presented: str | None,
    *,
    right: str,
    jurisdiction_id: str,
    environment: str,
    now: datetime,
) -> StoredKey:
    """Check a presented key for one right in one jurisdiction (C-055).

    Raises:
        Forbidden: missing, wrong, revoked, expired, or without this right here;
            the text never says which.
    """
    key = _known(keys, presented)
    if key is None or not _is_live(key, now) or not _covers(key, jurisdiction_id, environment):
        raise Forbidden(_REFUSED, field="api_key")
    if right not in key.rights:
        raise Forbidden(_REFUSED, field="api_key")
    return key


def _known(keys: Mapping[str, StoredKey], presented: str | None) -> StoredKey | None:
    parts = (presented or "").split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIX:
        return None
    key = keys.get(parts[1])
    expected = key.secret_sha256 if key else _hash("")
    matches = hmac.compare_digest(expected, _hash(parts[2]))
    return key if matches else None


def _is_live(key: StoredKey, now: datetime) -> bool:
    ended = key.expires_datetime is not None and key.expires_datetime <= now
    return key.revoked_datetime is None and not ended


def _covers(key: StoredKey, jurisdiction_id: str, environment: str) -> bool:
    here = "*" in key.jurisdictions or jurisdiction_id in key.jurisdictions
    return here and key.environment == environment


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
