"""The closed list of transforms: the only things a profile can do to a value."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from open311.adapters.profile import CodeTable, Transform, UnmappedValue

#: Turns a code of ours into an id of the tool, by asking it: (name of the look-up, code).
Resolver = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Means:
    """What transforms may draw on: the profile's tables, and the engine's look-ups."""

    tables: Mapping[str, CodeTable]
    resolve: Resolver


def no_resolver(name: str, code: str) -> str:
    """For engines without look-ups."""
    raise UnmappedValue(f"La recherche « {name} » n'existe pas ici (code « {code} »).")


def transformed(value: Any, transforms: tuple[Transform, ...], means: Means) -> Any:
    """Apply a chain; a list goes through item by item until a `join` makes it one text.

    Raises:
        UnmappedValue: a table has no entry and no default, a look-up finds nothing, or
            a value is not what a transform takes.
    """
    for transform in transforms:
        value = _apply(value, transform, means)
    return value


def _apply(value: Any, transform: Transform, means: Means) -> Any:
    if transform.name in _ON_ALL:
        return _ON_ALL[transform.name](value, transform)
    if isinstance(value, list):
        return [_apply(each, transform, means) for each in value]
    if is_empty(value):
        return value
    if transform.name in _WITH_MEANS:
        return _WITH_MEANS[transform.name](value, transform.argument, means)
    return _ON_ONE[transform.name](value, transform)


def is_empty(value: Any) -> bool:
    """Whether there is nothing to send: None, an empty text or an empty list."""
    return value is None or value in ("", [])


def as_text(value: Any) -> str:
    """Any value as text: ISO 8601 dates, `true`/`false`, lists by lines."""
    if isinstance(value, list):
        return "\n".join(as_text(each) for each in value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return "" if value is None else str(value)


def _from_table(value: Any, name: str, means: Means) -> str:
    found = means.tables[name].find(as_text(value))
    if found is None:
        raise UnmappedValue(
            f"La table « {name} » du profil n'a rien pour « {as_text(value)[:60]} » : "
            f"ajoutez-lui une ligne, ou un « default »."
        )
    return found


def _truncate(value: Any, transform: Transform) -> str:
    text, limit = as_text(value), int(transform.argument)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _strip_html(value: Any, _: Transform) -> str:
    breaks = re.sub(r"(?i)<\s*(br|/p|/div|/li)\b[^>]*>", "\n", as_text(value))
    return html.unescape(re.sub(r"<[^>]*>", "", breaks)).strip()


def _date(value: Any, transform: Transform) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(as_text(value))
    zone = ZoneInfo(transform.options["tz"]) if "tz" in transform.options else UTC
    local = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone)
    if transform.argument == "iso":
        return local.isoformat(timespec="seconds")
    return local.strftime(transform.argument)


def _number(value: Any, transform: Transform) -> float | int | str:
    try:
        number = round(float(as_text(value).replace(",", ".")), transform.argument)
    except ValueError:
        raise UnmappedValue(f"« {as_text(value)[:60]} » n'est pas un nombre.") from None
    if "decimal" in transform.options:
        text = f"{number:.{transform.argument}f}"
        return text.replace(".", str(transform.options["decimal"]))
    return int(number) if transform.argument == 0 else number


def _phone_fr(value: Any, transform: Transform) -> str:
    """A French number in one of two forms; any other number keeps its digits and its +."""
    compact = re.sub(r"(?!^\+)\D", "", as_text(value).replace("(0)", ""))
    national = re.fullmatch(r"(?:\+33|0033|33|0)([1-9][0-9]{8})", compact)
    if national is None:
        return compact
    return ("0" if transform.argument == "national" else "+33") + national[1]


def _base64(value: Any, _: Transform) -> str:
    content = value if isinstance(value, bytes) else as_text(value).encode()
    return base64.b64encode(content).decode("ascii")


def _hash(value: Any, transform: Transform) -> str:
    content = value if isinstance(value, bytes) else as_text(value).encode()
    return hashlib.sha256(content).hexdigest()[: transform.argument]


def _join(value: Any, transform: Transform) -> str:
    items = value if isinstance(value, list) else [value]
    return str(transform.argument).join(as_text(each) for each in items if not is_empty(each))


def _default(value: Any, transform: Transform) -> Any:
    return transform.argument if is_empty(value) else value


def _from_lookup(value: Any, name: str, means: Means) -> str:
    return means.resolve(name, as_text(value))


_ON_ALL: dict[str, Callable[[Any, Transform], Any]] = {"join": _join, "default": _default}
_WITH_MEANS = {"table": _from_table, "resolve": _from_lookup}
_ON_ONE: dict[str, Callable[[Any, Transform], Any]] = {
    "truncate": _truncate,
    "strip_html": _strip_html,
    "html_escape": lambda value, _: html.escape(as_text(value)),
    "html_breaks": lambda value, _: as_text(value).replace("\n", "<br>"),
    "upper": lambda value, _: as_text(value).upper(),
    "lower": lambda value, _: as_text(value).lower(),
    "text": lambda value, _: as_text(value),
    "date": _date,
    "number": _number,
    "phone_fr": _phone_fr,
    "base64": _base64,
    "hash": _hash,
}
