"""Every part of the golden documents counts: altered alone, it is refused.

The faults of `broken.toml` are chosen; here they are made, on each element and on each key
in turn. `tolerated.toml` lists all that the schemas let pass.
"""

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

GOLDEN = Path(__file__).parents[2] / "fixtures" / "georeport"
TOLERATED: dict[str, dict[str, dict[str, list[str]]]] = tomllib.loads(
    Path(__file__).with_name("tolerated.toml").read_text(encoding="utf-8")
)
#: A rich document, and the schema that speaks for it.
DOCUMENTS = {
    "discovery": "discovery",
    "services": "services",
    "service_definition": "service_definition",
    "service_requests": "service_requests",
    "service_requests_extended": "service_requests_extended",
    "receipt_realtime_notice": "receipt",
    "receipt_batch": "receipt",
    "token_resolved": "token",
    "errors_forbidden": "errors",
    "service_request_updates": "service_request_updates",
    "update_receipt": "update_receipt",
}
JSON_DOCUMENTS = [*(f"{stem}.json" for stem in DOCUMENTS), "service_requests_extended.geojson"]

Judge = Callable[[str, str, bytes], set[str]]


def leave_out(element: etree._Element) -> None:
    parent(element).remove(element)


def empty(element: etree._Element) -> None:
    element.text = None
    for child in list(element):
        element.remove(child)


def double(element: etree._Element) -> None:
    element.addnext(copy.deepcopy(element))


def move_after_the_next(element: etree._Element) -> None:
    following = element.getnext()
    if following is not None:
        following.addnext(element)


def parent(element: etree._Element) -> etree._Element:
    found = element.getparent()
    assert found is not None
    return found


def fill(text: str) -> Callable[[etree._Element], None]:
    def replace(element: etree._Element) -> None:
        empty(element)
        element.text = text

    return replace


XML_FAULTS: dict[str, Callable[[etree._Element], None]] = {
    "left out": leave_out,
    "emptied": empty,
    "blank": fill(" \n"),
    "given a carriage return": lambda e: setattr(e, "text", f"{e.text or 'mot'}\r"),
    "given an attribute": lambda e: e.set("lang", "fr"),
    "given a child": lambda e: e.append(etree.Element("b")),
    "doubled": double,
    "moved after the next": move_after_the_next,
}
JSON_FAULTS: dict[str, Any] = {
    "null": None,
    "an empty string": "",
    "blank": " \n",
    "an object": {},
    "an empty array": [],
    "a number": 7.5,
    "true": True,
    "a carriage return": "mot\r",
}


def element_paths(root: etree._Element) -> dict[str, int]:
    """The first element of each path below the root, by its place in document order."""
    first: dict[str, int] = {}
    for place, element in enumerate(root.iter()):
        names = [str(ancestor.tag) for ancestor in element.iterancestors()][-2::-1]
        if place:
            first.setdefault("/".join([*names, str(element.tag)]), place)
    return first


def key_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key of every object and every item of every array, as the way to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from key_paths(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield (*path, place)
            yield from key_paths(item, (*path, place))


def named(path: tuple[str | int, ...]) -> str:
    return "/".join(step if isinstance(step, str) else "*" for step in path)


def holder(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def tolerated(kind: str, fault: str, stem: str) -> set[str]:
    return set(TOLERATED.get(kind, {}).get(fault, {}).get(stem, []))


@pytest.mark.parametrize("stem", DOCUMENTS)
@pytest.mark.parametrize("fault", XML_FAULTS)
def test_an_altered_element_is_refused(stem: str, fault: str, refusals: Judge) -> None:
    root = etree.fromstring((GOLDEN / f"{stem}.xml").read_bytes())
    unaltered = etree.tostring(root)
    passed: dict[str, set[str]] = {"xsd": set(), "relaxng": set()}
    for path, place in element_paths(root).items():
        altered = copy.deepcopy(root)
        XML_FAULTS[fault](list(altered.iter())[place])
        body = etree.tostring(altered)
        for kind in passed.keys() - refusals(DOCUMENTS[stem], "xml", body):
            if body != unaltered:
                passed[kind].add(path)
    both = tolerated("xml", fault, stem)
    assert passed == {kind: both | tolerated(kind, fault, stem) for kind in passed}


@pytest.mark.parametrize("document", JSON_DOCUMENTS)
@pytest.mark.parametrize("fault", ["left out", "given a stranger", *JSON_FAULTS])
def test_an_altered_key_is_refused(document: str, fault: str, refusals: Judge) -> None:
    stem, suffix = document.split(".")
    value = json.loads((GOLDEN / document).read_bytes())
    first = {named(path): path for path in reversed(list(key_paths(value)))}
    unaltered = json.dumps(value)
    passed = set()
    for name, path in first.items():
        altered = copy.deepcopy(value)
        owner = holder(altered, path)
        if fault == "left out":
            del owner[path[-1]]
        elif fault == "given a stranger" and isinstance(owner, dict):
            owner["priority"] = None
        elif fault in JSON_FAULTS:
            owner[path[-1]] = JSON_FAULTS[fault]
        body = json.dumps(altered)
        if body != unaltered and not refusals(DOCUMENTS[stem], suffix, body.encode()):
            passed.add(name)
    assert passed == tolerated(suffix, fault, stem)


@pytest.mark.parametrize("document", JSON_DOCUMENTS)
def test_another_root_is_refused(document: str, refusals: Judge) -> None:
    """Arrays and objects stay bare (C-021): neither wrapped nor unwrapped."""
    stem, suffix = document.split(".")
    value = json.loads((GOLDEN / document).read_bytes())
    roots = [{stem: value}, [value], None, "", {}]
    roots += value[:1] if isinstance(value, list) else []
    bodies = [json.dumps(root).encode() for root in roots]
    assert [body for body in bodies if not refusals(DOCUMENTS[stem], suffix, body)] == []
