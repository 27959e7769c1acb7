"""Reading the block `auth` of a REST profile."""

from __future__ import annotations

from collections.abc import Callable

from open311.adapters.profile import Field, Template
from open311.adapters.profile_fields import Known, read_template
from open311.adapters.profile_file import optional_table
from open311.adapters.rest_blocks import Auth, Body, Call, Pick, Scheme
from open311.domain.checked_table import Table

CallReader = Callable[[Table, Known], Call]
_BEARER = Template(("Bearer ", "kept.token", ""))


def read_auth(table: Table, read_call: CallReader, known: Known) -> Auth:
    """How the destination proves who it is; no block = it does not."""
    inner = optional_table(table, "auth")
    if inner is None:
        return Auth()
    scheme = inner.choice("scheme", list(Scheme), required=True)
    auth = _READERS[Scheme(scheme)](inner, read_call, known) if scheme else Auth()
    inner.close()
    return auth


def _none(_: Table, __: CallReader, ___: Known) -> Auth:
    return Auth()


def _basic(table: Table, _: CallReader, known: Known) -> Auth:
    return Auth(
        Scheme.BASIC,
        user=read_template(table, "user", known, required=True),
        password=read_template(table, "password", known, required=True),
    )


def _header(table: Table, _: CallReader, known: Known) -> Auth:
    return Auth(
        Scheme.HEADER,
        name=table.text("name", required=True) or "",
        value=read_template(table, "value", known, required=True),
    )


def _query(table: Table, _: CallReader, known: Known) -> Auth:
    return Auth(
        Scheme.QUERY,
        name=table.text("name", required=True) or "",
        value=read_template(table, "value", known, required=True),
    )


def _publik(table: Table, _: CallReader, known: Known) -> Auth:
    """Signed URLs (adapters.publik); `orig` is what the other side calls us."""
    return Auth(
        Scheme.PUBLIK,
        user=read_template(table, "orig", known, required=True),
        password=read_template(table, "key", known, required=True),
    )


def _bearer(table: Table, _: CallReader, known: Known) -> Auth:
    token = read_template(table, "token", known, required=True) or Template(("",))
    first, *others = token.pieces
    return Auth(Scheme.BEARER, value=Template((f"Bearer {first}", *others)))


def _login(table: Table, read_call: CallReader, known: Known) -> Auth:
    inner = table.table("login")
    if inner is None:
        return Auth()
    login = read_call(inner, known)
    inner.close()
    if "token" not in login.keep:
        inner.fault("keep.token", "clé obligatoire, absente : le jeton que donne la connexion.")
    kept = known.plus({f"kept.{name}" for name in login.keep})
    return Auth(
        Scheme.LOGIN,
        name=table.text("name", required=True) or "",
        value=read_template(table, "value", kept, required=True),
        login=login,
        expires_s=table.whole("expires_s", 1, 30 * 86_400) or Auth().expires_s,
    )


def _oauth2(table: Table, _: CallReader, known: Known) -> Auth:
    """Client credentials (RFC 6749, 4.4), the client's own in the body (2.3.1)."""
    url = read_template(table, "token_url", known, required=True)
    given = {
        "client_id": read_template(table, "client_id", known, required=True),
        "client_secret": read_template(table, "client_secret", known, required=True),
        "scope": read_template(table, "scope", known),
    }
    fields = [Field("grant_type", const="client_credentials")]
    fields += [Field(name, template=value) for name, value in given.items() if value is not None]
    login = Call(
        "POST",
        url=url,
        body=Body.FORM,
        fields=tuple(fields),
        error="error_description || error",
        keep={"token": Pick("access_token"), "expires_in": Pick("expires_in")},
    )
    return Auth(
        Scheme.OAUTH2,
        value=_BEARER,
        login=login,
        expires_s=table.whole("expires_s", 1, 30 * 86_400) or Auth().expires_s,
    )


_READERS: dict[Scheme, Callable[[Table, CallReader, Known], Auth]] = {
    Scheme.NONE: _none,
    Scheme.BASIC: _basic,
    Scheme.HEADER: _header,
    Scheme.QUERY: _query,
    Scheme.BEARER: _bearer,
    Scheme.OAUTH2: _oauth2,
    Scheme.LOGIN: _login,
    Scheme.PUBLIK: _publik,
}
