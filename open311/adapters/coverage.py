"""What a profile leaves without a word: services, our stages, the stages it may come back to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from open311.adapters.profile import Field, Profile
from open311.domain.status import Stage


@dataclass(frozen=True, slots=True)
class Gap:
    """One word of ours that a table does not hold.

    Attributes:
        default: what is sent instead; None = the delivery is refused.
    """

    table: str
    word: str
    default: str | None


def service_gaps(profile: Profile, service_codes: Iterable[str]) -> list[Gap]:
    """The services that no table names, for each table through which service codes go."""
    tables = {
        transform.argument
        for field in _fields_in(profile.engine)
        if field.name == "service_code"
        for transform in field.transforms[:1]
        if transform.name == "table"
    }
    return _gaps(profile, sorted(tables), list(service_codes))


def stage_gaps(profile: Profile) -> list[Gap]:
    """Our stages that `status_out` does not name; none when the profile sends no status."""
    return _gaps(profile, ["status_out"] if "status_out" in profile.tables else [], list(Stage))


def unreachable_stages(profile: Profile) -> list[str]:
    """The stages to which no status of the tool leads: the public will never see them."""
    table = profile.tables.get("status_in")
    reached = set(table.values.values()) if table else set()
    return [stage for stage in Stage if stage not in reached]


def _gaps(profile: Profile, tables: list[str], words: list[str]) -> list[Gap]:
    return [
        Gap(name, word, profile.tables[name].default)
        for name in tables
        for word in words
        if word.casefold() not in {known.casefold() for known in profile.tables[name].values}
    ]


def _fields_in(node: Any) -> Iterator[Field]:
    """Every field of a profile's engine, wherever its kind keeps it."""
    if isinstance(node, Field):
        yield node
    elif is_dataclass(node) and not isinstance(node, type):
        for each in fields(node):
            yield from _fields_in(getattr(node, each.name))
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _fields_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _fields_in(value)
