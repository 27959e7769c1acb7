"""From fields and values to what is sent: names and values, then nested documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from open311.adapters.profile import Field, Template, UnmappedValue, WhenEmpty
from open311.adapters.transforms import Means, as_text, is_empty, transformed
from open311.adapters.vocabulary import Values


def filled(template: Template, values: Values) -> str:
    """The text of a template; what is empty leaves nothing."""
    return "".join(
        as_text(values.get(piece)) if at % 2 else piece for at, piece in enumerate(template.pieces)
    )


def mapped(fields: Sequence[Field], values: Values, means: Means) -> list[tuple[str, Any]]:
    """Each field's destination and value, in the profile's order; omitted ones left out.

    Raises:
        UnmappedValue: a table or a look-up has nothing, or a mandatory value is empty.
    """
    pairs = []
    for each in fields:
        value = transformed(_source(each, values), each.transforms, means)
        if not is_empty(value):
            pairs.append((each.to, value))
        elif each.when_empty is WhenEmpty.ERROR:
            raise UnmappedValue(f"Rien à mettre dans « {each.to} », que l'outil demande.")
        elif each.when_empty is not WhenEmpty.OMIT:
            pairs.append((each.to, None if each.when_empty is WhenEmpty.NULL else ""))
    return pairs


def _source(field: Field, values: Values) -> Any:
    if field.template is not None:
        return filled(field.template, values)
    return field.const if field.name is None else values.get(field.name)


def document(pairs: Iterable[tuple[str, Any]]) -> Any:
    """Nest pairs by their dotted paths: a number in a path is a place in a list.

    Places that nothing filled are dropped, so a list never holds holes.
    """
    root: dict[str, Any] = {}
    for path, value in pairs:
        *above, last = path.split(".")
        node = root
        for step in above:
            node = node.setdefault(step, {})
        node[last] = value
    return _with_lists(root)


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(value) for key, value in node.items()}
