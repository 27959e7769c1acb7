"""Reading the mapping of a profile: fields, templates and chains of transforms."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from open311.adapters.profile import Field, Template, Transform, WhenEmpty
from open311.adapters.vocabulary import OPEN_PREFIXES, REPORTER_FIELDS, TICKET_NAMES, is_known
from open311.domain.checked_table import Table, refuse_twins, suggestion

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")


@dataclass(frozen=True, slots=True)
class Known:
    """What the parts of one profile may refer to.

    Attributes:
        names: names of the vocabulary open to the field being read.
        prefixes: beginnings of open names (`attribute.`, `kept.`).
        reporter_fields: not checked here; a destination may let them out.
    """

    settings: Collection[str] = ()
    tables: Collection[str] = ()
    resolves: Collection[str] = ()
    names: frozenset[str] = TICKET_NAMES
    prefixes: tuple[str, ...] = OPEN_PREFIXES

    def plus(self, *names: Collection[str], prefixes: tuple[str, ...] = ()) -> Known:
        """The same with more names."""
        return replace(self, names=self.names.union(*names), prefixes=(*self.prefixes, *prefixes))

    def has(self, name: str) -> bool:
        """Whether a field may ask for this name."""
        if name.startswith("settings."):
            return name.removeprefix("settings.") in self.settings
        return is_known(name, self.names, self.prefixes)

    def all_names(self) -> list[str]:
        """Every fixed name, for suggestions."""
        return [*self.names, *(f"settings.{each}" for each in self.settings)]


class Shape(StrEnum):
    """What fields make together, hence where two may go: `to` once, nested, or repeated."""

    FLAT = "flat"
    NESTED = "nested"
    PAIRS = "pairs"


def read_fields(
    table: Table, key: str, known: Known, shape: Shape = Shape.FLAT
) -> tuple[Field, ...]:
    """The list `[[key]]`: each `{ to, from | const | template, transforms, when_empty }`."""
    tables = table.tables(key)
    read = [_field(each, known) for each in tables]
    fields = tuple(each for each in read if each is not None)
    if shape is not Shape.PAIRS:
        refuse_twins(tables, "to", [each.to or None for each in fields])
    if shape is Shape.NESTED:
        _refuse_nests(table, key, [each.to for each in fields])
    return fields


def _refuse_nests(table: Table, key: str, paths: Sequence[str]) -> None:
    """A place in a document holds a value or other places, never both."""
    for at, path in enumerate(paths):
        inside = next((each for each in paths if each.startswith(f"{path}.")), None)
        if inside is not None:
            table.fault(f"{key}[{at}].to", f"« {path} » ne peut pas contenir aussi « {inside} ».")


def read_path(table: Table, key: str, known: Known) -> Template | None:
    """The template of an address below `base_url`: it begins with « / », or a setting does."""
    path = read_template(table, key, known)
    if path is None:
        return None
    if path.pieces[0].startswith("/") or (
        not path.pieces[0] and path.names[0].startswith("settings.")
    ):
        return path
    table.fault(key, "une adresse sous base_url commence par « / ».")
    return None


def _field(table: Table, known: Known) -> Field | None:
    to = table.text("to", required=True)
    given = [key for key in ("from", "const", "template") if table.raw(key) is not None]
    if len(given) != 1:
        table.fault("to", "il faut exactement un de « from », « const » et « template ».")
    name = table.text("from")
    if name is not None:
        check_name(table, "from", name, known)
    made = Field(
        to=to or "",
        name=name,
        template=read_template(table, "template", known),
        const=table.raw("const"),
        transforms=read_transforms(table, "transforms", known),
        when_empty=WhenEmpty(table.choice("when_empty", list(WhenEmpty)) or WhenEmpty.OMIT),
    )
    table.close()
    return made


def check_name(table: Table, key: str, name: str, known: Known) -> None:
    """Note a fault where a name is not in the vocabulary."""
    if not known.has(name):
        table.fault(key, f"« {name[:60]} » n'est pas une valeur{_hint(name, known)}.")


def _hint(name: str, known: Known) -> str:
    if name.startswith("reporter."):
        return f" (du déclarant : {', '.join(REPORTER_FIELDS)})"
    return suggestion(name, known.all_names())


def read_template(
    table: Table, key: str, known: Known, *, required: bool = False
) -> Template | None:
    """A text with `{name}`; None when absent or faulty."""
    text = table.text(key, required=required, limit=4000)
    return None if text is None else template_of(table, key, text, known)


def template_of(table: Table, key: str, text: str, known: Known) -> Template:
    """Cut a template in pieces; unknown names and lone braces are faults at `key`."""
    pieces, literal, at = [], "", 0
    for found in _PIECE.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        if found[2]:
            table.fault(key, f"accolade seule dans « {text[:60]} » (une accolade s'écrit {{{{).")
        elif found[1] is None:
            literal += found[0][0]
        else:
            check_name(table, key, found[1], known)
            pieces += [literal, found[1]]
            literal = ""
    return Template((*pieces, literal + text[at:]))


def read_transforms(table: Table, key: str, known: Known) -> tuple[Transform, ...]:
    """A chain: `"name"` or `{ name = argument, option = … }`, in order."""
    items = table.raw(key)
    if items is None:
        return ()
    if not isinstance(items, list):
        table.fault(key, "une liste [ … ] est attendue.")
        return ()
    read = [_transform(table, f"{key}[{at}]", item, known) for at, item in enumerate(items)]
    return tuple(each for each in read if each is not None)


def _transform(table: Table, key: str, item: object, known: Known) -> Transform | None:
    content = {item: None} if isinstance(item, str) else item
    if not isinstance(content, dict) or not content:
        table.fault(key, 'un nom "…" ou une table { nom = argument } est attendu.')
        return None
    name = next((each for each in content if each in _SHAPES), None)
    if name is None:
        word = str(next(iter(content)))
        table.fault(
            key,
            f"« {word[:60]} » n'est pas une transformation{suggestion(word, _SHAPES)} ; "
            f"admises : {', '.join(_SHAPES)}.",
        )
        return None
    options = {each: value for each, value in content.items() if each != name}
    shape = _SHAPES[name]
    for fault in (shape.fault(content[name], known), *shape.option_faults(options)):
        if fault:
            table.fault(key, f"{name} : {fault}")
    argument = shape.default if content[name] is None else content[name]
    return Transform(name, argument, options)


def _is_zone(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):
        return False


def _whole(low: int, high: int) -> Callable[[Any, Known], bool]:
    return lambda value, _: type(value) is int and low <= value <= high


@dataclass(frozen=True, slots=True)
class _Shape:
    """What one transform takes: its argument, in words and as a test, and its options."""

    told: str = ""
    accepts: Callable[[Any, Known], bool] | None = None
    default: Any = None
    options: Mapping[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)

    def fault(self, argument: Any, known: Known) -> str | None:
        if self.accepts is None:
            return None if argument in (None, True) else "aucun argument n'est attendu."
        if argument is None and self.default is not None:
            return None
        return None if self.accepts(argument, known) else f"{self.told} attendu."

    def option_faults(self, options: Mapping[str, Any]) -> list[str]:
        unknown = [f"option inconnue « {each} »." for each in options if each not in self.options]
        wrong = [
            f"{name} : {told} attendu."
            for name, (accepts, told) in self.options.items()
            if name in options and not accepts(options[name])
        ]
        return unknown + wrong


def _one_of(attribute: str) -> Callable[[Any, Known], bool]:
    return lambda value, known: isinstance(value, str) and value in getattr(known, attribute)


_SHAPES: dict[str, _Shape] = {
    "truncate": _Shape("un nombre de caractères", _whole(1, 1_000_000)),
    "strip_html": _Shape(),
    "html_escape": _Shape(),
    "html_breaks": _Shape(),
    "upper": _Shape(),
    "lower": _Shape(),
    "text": _Shape(),
    "date": _Shape(
        "un format de date (« iso », ou comme « %d/%m/%Y »)",
        lambda value, _: isinstance(value, str) and (value == "iso" or "%" in value),
        options={"tz": (_is_zone, "un fuseau (Europe/Paris)")},
    ),
    "number": _Shape(
        "un nombre de décimales",
        _whole(0, 15),
        options={"decimal": (lambda value: value in {",", "."}, "« , » ou « . »")},
    ),
    "join": _Shape("un séparateur", lambda value, _: isinstance(value, str)),
    "default": _Shape("une valeur", lambda value, _: not isinstance(value, list | dict | None)),
    "table": _Shape("le nom d'une table du profil", _one_of("tables")),
    "resolve": _Shape("le nom d'une recherche du profil", _one_of("resolves")),
    "phone_fr": _Shape(
        "« national » ou « international »",
        lambda value, _: value in {"national", "international"},
        default="international",
    ),
    "base64": _Shape(),
    "hash": _Shape("un nombre de caractères", _whole(8, 64), default=64),
}
