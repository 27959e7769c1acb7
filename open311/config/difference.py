"""What applying a jurisdiction file would change, in French lines for its operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Lists whose elements have a name: they are compared by it, not by position.
_NAMED_BY = {
    "services": "service_code",
    "attributes": "code",
    "values": "key",
    "territories": "id",
    "destinations": "name",
}


def describe_difference(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[str]:
    """Say what changes between two documents of one jurisdiction.

    Args:
        old: the document in force, None for a new jurisdiction.
        new: the document to apply.

    Returns:
        One line per difference: `+` for what comes, `-` for what goes, `~` for
        what changes, each with its dotted key; empty when nothing changes.
    """
    if old is None:
        count = len(new["services"])
        plural = "s" if count > 1 else ""
        return [f"+ jurisdiction {new['jurisdiction_id']} : {new['name']}, {count} service{plural}"]
    return list(_tables("", old, new))


def _tables(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        path = f"{where}.{key}" if where else key
        yield from _values(path, key, old.get(key), new.get(key))


def _values(path: str, key: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if key == "geometry":
        yield f"~ {path} : contour modifié"
    elif isinstance(old, list) and isinstance(new, list) and _named(key, old, new):
        yield from _lists(path, _NAMED_BY[key], old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _tables(path, old, new)
    else:
        yield f"~ {path} : {_shown(old)} → {_shown(new)}"


def _named(key: str, old: list[Any], new: list[Any]) -> bool:
    return key in _NAMED_BY and all(isinstance(item, dict) for item in (*old, *new))


def _lists(path: str, name: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    before, after = _by_name(old, name), _by_name(new, name)
    kept = [code for code in before if code in after]
    yield from (f"- {path}[{code}]{_gone(path)}" for code in before if code not in after)
    yield from (f"+ {path}[{code}]" for code in after if code not in before)
    for code in kept:
        yield from _tables(f"{path}[{code}]", before[code], after[code])
    if kept != [code for code in after if code in before]:
        yield f"~ {path} : ordre modifié"


def _by_name(items: list[Any], name: str) -> dict[str, Any]:
    """The elements by name; a service that was withdrawn is no longer in the catalogue."""
    return {item[name]: item for item in items if not item.get("withdrawn")}


def _gone(path: str) -> str:
    return " : retiré ; ses demandes restent" if path == "services" else ""


def _shown(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "rien"
        case bool():
            return "oui" if value else "non"
        case list():
            return ", ".join(str(item) for item in value)
        case _:
            text = " ".join(str(value).split())
            return f"« {text if len(text) <= 60 else text[:59] + '…'} »"
