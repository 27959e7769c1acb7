"""Signing calls: fixed credentials, or a token that a login gives."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from requests import Request

from open311.adapters import publik
from open311.adapters.mapping import filled
from open311.adapters.masking import MASK, Masker
from open311.adapters.profile import Template
from open311.adapters.rest_blocks import Auth, Call, Scheme

Login = Callable[[Call], Mapping[str, str]]
#: A token is renewed this long before it ends, so that it does not end on the way.
_MARGIN_S = 30
_IN_THE_QUERY = (Scheme.QUERY, Scheme.PUBLIK)


class Signer:
    """Signs the requests of one destination.

    Args:
        settings: by vocabulary name (`settings.api_key`).
        masker: learns each token, so that no record shows it.
    """

    def __init__(self, auth: Auth, settings: Mapping[str, str], masker: Masker) -> None:
        self._auth = auth
        self._settings = settings
        self._masker = masker
        self._kept: Mapping[str, str] = {}
        self._good_until = 0.0

    @property
    def secret_headers(self) -> set[str]:
        """Headers whose values are masked whole."""
        return set() if self._auth.scheme in _IN_THE_QUERY else {self._auth.name}

    def sign(self, request: Request, login: Login) -> None:
        """Add what proves who we are, after a login if one is due."""
        auth = self._auth
        if auth.login is not None and time.monotonic() >= self._good_until:
            self._keep(login(auth.login))
        if auth.scheme is Scheme.BASIC:
            request.headers["Authorization"] = self._basic()
        elif auth.scheme is Scheme.QUERY:
            request.params = [*request.params, (auth.name, self._filled(auth.value))]
        elif auth.scheme is Scheme.PUBLIK:
            self._sign_url(request)
        elif auth.scheme is not Scheme.NONE:
            request.headers[auth.name] = self._filled(auth.value)

    def sign_masked(self, request: Request) -> None:
        """Sign for a preview: no login, no secret."""
        if self._auth.scheme is Scheme.QUERY:
            request.params = [*request.params, (self._auth.name, MASK)]
        elif self._auth.scheme is Scheme.PUBLIK:
            request.params = [*request.params, ("orig", self._filled(self._auth.user))]
            request.params += [(name, MASK) for name in publik.OF_ONE_CALL]
        elif self._auth.scheme is not Scheme.NONE:
            # Header values are Latin-1 on the wire; the preview masks them when shown.
            request.headers[self._auth.name] = "masked"

    def renew(self) -> bool:
        """After a 401: forget the token; whether another login may help."""
        had_token = bool(self._kept)
        self._kept, self._good_until = {}, 0.0
        return had_token

    def _keep(self, kept: Mapping[str, str]) -> None:
        told = kept.get("expires_in", "")
        life_s = float(told) if told.isdecimal() else self._auth.expires_s
        self._kept = {f"kept.{name}": value for name, value in kept.items()}
        self._good_until = time.monotonic() + max(1.0, life_s - _MARGIN_S)
        self._masker.add(kept["token"])

    def _sign_url(self, request: Request) -> None:
        """Sign the query exactly as it will be sent; it then belongs to the address."""
        whole = Request("GET", request.url, params=request.params).prepare().url
        parts = urlsplit(str(whole))
        query = publik.sign_query(
            parts.query,
            self._filled(self._auth.password),
            orig=self._filled(self._auth.user),
            moment=datetime.now(UTC),
            nonce=secrets.token_hex(16),
        )
        request.url = urlunsplit(parts._replace(query=query))
        request.params = []

    def _basic(self) -> str:
        pair = f"{self._filled(self._auth.user)}:{self._filled(self._auth.password)}"
        encoded = base64.b64encode(pair.encode()).decode("ascii")
        self._masker.add(encoded)
        return f"Basic {encoded}"

    def _filled(self, template: Template | None) -> str:
        return "" if template is None else filled(template, {**self._settings, **self._kept})
