"""Webhooks of tools: how each shows that it is the tool, and which event it tells.

A webhook is a hint: it makes us look at the tool, and nothing in it is believed. It
must still be the tool's, or anybody could make us look all day.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Protocol

import jmespath
from jmespath.exceptions import JMESPathError

from open311.adapters import publik
from open311.adapters.profile import Filled, Setting
from open311.domain.delivery import MAX_TOLD_ID
from open311.domain.errors import Open311Error
from open311.domain.told_text import told_id

#: How far the tool's clock may be from ours (Standard Webhooks 1.0.0).
TOLERANCE_S = 300
_SCHEMES = ("standard", "hmac-sha256", "hub-sha1", "hub-sha256", "publik", "path")
#: Where tools put the id of an event; it counts together with the body only.
_EVENT_HEADERS = ("X-Webhook-Id", "X-Zammad-Delivery", "X-GitHub-Delivery", "X-Request-Id")
_NETWORKS = r"[0-9a-fA-F.:/]+(,\s*[0-9a-fA-F.:/]+)*"

#: What a destination of any kind may set to take webhooks at `/hooks/<destination>`.
HOOK_SETTINGS: Mapping[str, Setting] = {
    "hook_scheme": Setting(
        f"signature des webhooks de l'outil : {', '.join(_SCHEMES)}", pattern="|".join(_SCHEMES)
    ),
    "hook_secret": Setting("secret de ces webhooks", secret=True),
    "hook_header": Setting("en-tête de la signature (hmac-sha256)", default="X-Webhook-Signature"),
    "hook_networks": Setting(
        "réseaux d'où ils viennent, séparés par des virgules (obligatoire avec « path »)",
        pattern=_NETWORKS,
    ),
    "hook_ticket": Setting("où est l'identifiant du ticket dans leur JSON (JMESPath)"),
}


class HookRefused(Open311Error):
    """It is not the tool's, or not of now. One text for every reason."""

    status = 401


class Headers(Protocol):
    """Headers that do not care for case."""

    def get(self, key: str, default: str) -> str:
        """The value of a header."""
        ...


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook as it came in.

    Attributes:
        path_secret: what followed the destination's name in the path.
        remote: the address it came from, as the web server tells it.
        query: of its address, still percent-encoded.
    """

    headers: Headers
    body: bytes
    path_secret: str | None = None
    remote: str | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class CheckedHook:
    """What a webhook that is the tool's own tells.

    Attributes:
        event_id: the same for the same event sent again.
        ticket_id: the ticket to look at; None when it does not say.
    """

    event_id: str
    ticket_id: str | None


def check_hook(hook: Hook, filled: Filled, now: datetime) -> CheckedHook:
    """Tell whether a webhook is the tool's.

    Raises:
        HookRefused: it is not, or this destination takes none.
    """
    scheme, secret = filled.get("hook_scheme"), filled.get("hook_secret")
    if scheme is None or not secret or not _comes_from(hook, filled.get("hook_networks"), scheme):
        raise _refused()
    event_id = _CHECKS[scheme](hook, secret, filled, now)
    return CheckedHook(f"hook:{event_id}", _ticket_id(hook.body, filled.get("hook_ticket")))


def signature(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """One signature of Standard Webhooks 1.0.0: `v1,` and HMAC-SHA256 of `id.timestamp.body`.

    Args:
        secret: `whsec_` and 24 to 64 bytes in base64.

    Raises:
        ValueError: the secret is not of that form.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    digest = hmac.new(standard_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def standard_key(secret: str) -> bytes:
    """The bytes of a Standard Webhooks secret.

    Raises:
        ValueError: it is not `whsec_` and 24 to 64 bytes in base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("un secret « whsec_ » suivi de base64 est attendu.") from error
    if not 24 <= len(key) <= 64:
        raise ValueError("un secret de 24 à 64 octets est attendu.")
    return key


def _refused() -> HookRefused:
    return HookRefused("Ce webhook n'est pas signé comme il le faut.")


def _comes_from(hook: Hook, networks: str | None, scheme: str) -> bool:
    if networks is None:
        return scheme != "path"  # a secret that stands in access logs is not enough alone
    try:
        remote = ip_address(hook.remote or "")
        return any(remote in ip_network(each.strip()) for each in networks.split(","))
    except (ValueError, TypeError):
        return False


def _standard(hook: Hook, secret: str, _: Filled, now: datetime) -> str:
    event_id = hook.headers.get("webhook-id", "")
    told, given = (hook.headers.get(f"webhook-{name}", "") for name in ("timestamp", "signature"))
    if not event_id or not (told.isascii() and told.isdigit()) or len(told) > 12:
        raise _refused()
    if abs(now.timestamp() - int(told)) > TOLERANCE_S:
        raise _refused()
    # Several secrets during a rotation, and several signatures.
    expected = [signature(each, event_id, int(told), hook.body) for each in secret.split()]
    if not any(_equal(one, other) for one in expected for other in given.split()):
        raise _refused()
    return event_id[:200]


def _hex_hmac(hook: Hook, secret: str, filled: Filled, now: datetime) -> str:
    given = hook.headers.get(filled.get("hook_header") or "", "")
    _demand(given, hmac.new(secret.encode(), hook.body, hashlib.sha256).hexdigest())
    return _unsigned_id(hook, now)


def _hub(algorithm: str, header: str) -> Callable[[Hook, str, Filled, datetime], str]:
    def check(hook: Hook, secret: str, _: Filled, now: datetime) -> str:
        digest = hmac.new(secret.encode(), hook.body, algorithm).hexdigest()
        _demand(hook.headers.get(header, ""), f"{algorithm}={digest}")
        return _unsigned_id(hook, now)

    return check


def _publik(hook: Hook, secret: str, _: Filled, now: datetime) -> str:
    """The body is not signed; as it is a hint only, that costs one more reading at most."""
    nonce = publik.check_query(hook.query, secret, now)
    if nonce is None:
        raise _refused()
    return nonce


def _path(hook: Hook, secret: str, _: Filled, now: datetime) -> str:
    _demand(hook.path_secret or "", secret)
    return _unsigned_id(hook, now)


def _demand(given: str, expected: str) -> None:
    if not _equal(given, expected):
        raise _refused()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _unsigned_id(hook: Hook, now: datetime) -> str:
    """An id where the scheme signs none.

    Two events may have the same body (a bare « ticket 12 changed »): without an id from
    the tool, the same body is the same event for five minutes only. A replay after that
    makes us read the ticket once more, which changes nothing.
    """
    told = next((each for name in _EVENT_HEADERS if (each := hook.headers.get(name, ""))), None)
    when = told or str(int(now.timestamp()) // TOLERANCE_S)
    return hashlib.sha256(when.encode(errors="replace") + b"\0" + hook.body).hexdigest()


def _ticket_id(body: bytes, path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return told_id(jmespath.search(path, json.loads(body)))[:MAX_TOLD_ID]
    except (ValueError, RecursionError, JMESPathError):
        return None


_CHECKS: Mapping[str, Callable[[Hook, str, Filled, datetime], str]] = {
    "standard": _standard,
    "hmac-sha256": _hex_hmac,
    "hub-sha1": _hub("sha1", "X-Hub-Signature"),
    "hub-sha256": _hub("sha256", "X-Hub-Signature-256"),
    "publik": _publik,
    "path": _path,
}
