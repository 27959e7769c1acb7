"""Signed URLs of Publik (Entr'ouvert): who calls is proved by the query string.

A query is followed by `algo`, `timestamp` (UTC, whole seconds), `nonce`, `orig` (who calls)
and, last, `signature`: base64 of the HMAC, under the key that both sides share, of all
that stands before `&signature=`. Nothing but the query is signed: neither path nor body.

Source: `signature.py` that Entr'ouvert publishes in its programs (`sign_query`,
`check_query`: 30 seconds, each nonce once), the same with `orig` in public w.c.s.
scripts of iMio, and doc-publik.entrouvert.com, "w.c.s. / API / Authentification". Those
programs also know other digests; here `sha256` alone is made and taken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

#: How far the caller's clock may be from ours.
TOLERANCE_S = 30
#: What is new in every call.
OF_ONE_CALL = ("algo", "timestamp", "nonce", "signature")
_ALGO = "sha256"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_MAX_NONCE = 200


def sign_query(query: str, key: str, *, orig: str | None, moment: datetime, nonce: str) -> str:
    """The query with its signature.

    Args:
        query: as it will be sent, percent-encoded; may be empty.
        nonce: never the same twice.
    """
    told = {"algo": _ALGO, "timestamp": moment.astimezone(UTC).strftime(_FORMAT), "nonce": nonce}
    if orig is not None:
        told["orig"] = orig
    unsigned = "&".join(part for part in (query, urlencode(told)) if part)
    return f"{unsigned}&{urlencode({'signature': base64.b64encode(_digest(unsigned, key))})}"


def check_query(query: str, key: str, now: datetime) -> str | None:
    """The nonce of a query that this key signed just now; None when it did not.

    A nonce may serve once: that is for the caller to see to.
    """
    unsigned, _, last = query.partition("&signature=")
    if "&" in last:  # nobody signed what stands there
        return None
    try:
        told = parse_qs(query, strict_parsing=True, max_num_fields=100)
        (given,), (algo,), (nonce,) = told["signature"], told["algo"], told["nonce"]
        (timestamp,) = told["timestamp"]
        moment = datetime.strptime(timestamp, _FORMAT).replace(tzinfo=UTC)
        digest = base64.b64decode(given, validate=True)
    except (KeyError, ValueError, binascii.Error):  # absent, twice, or of another form
        return None
    good = hmac.compare_digest(digest, _digest(unsigned, key))
    if not good or algo != _ALGO or not nonce or len(nonce) > _MAX_NONCE:
        return None
    return nonce if abs((now - moment).total_seconds()) <= TOLERANCE_S else None


def _digest(text: str, key: str) -> bytes:
    return hmac.new(key.encode(), text.encode(errors="replace"), hashlib.sha256).digest()
