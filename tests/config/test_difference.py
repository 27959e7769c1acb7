"""What `apply` says before it changes anything, and what a withdrawn service becomes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from open311.config.jurisdiction_file import (
    describe_difference,
    jurisdiction_from_document,
    keep_withdrawn,
    read_jurisdiction_file,
)
from open311.config.shipped import shipped_path
from open311.domain.errors import NotFound

Document = dict[str, Any]


@pytest.fixture(scope="module")
def gentilly() -> Document:
    return read_jurisdiction_file(shipped_path("fixtures/jurisdictions/gentilly.fr.toml"))


def changed(document: Document, change: Callable[[Document], Any]) -> Document:
    new = copy.deepcopy(document)
    change(new)
    return new


def test_nothing_changed_says_nothing(gentilly: Document) -> None:
    assert describe_difference(gentilly, copy.deepcopy(gentilly)) == []


def test_a_new_jurisdiction_is_one_line(gentilly: Document) -> None:
    (line,) = describe_difference(None, gentilly)
    assert line == "+ jurisdiction gentilly.fr : Ville de Gentilly, 13 services"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda d: d.update(name="Gentilly"),
            "~ name : « Ville de Gentilly » → « Gentilly »",
        ),
        (lambda d: d.update(moderated=True), "~ moderated : non → oui"),
        (lambda d: d.update(retention_days=None), "~ retention_days : « 1095 » → rien"),
        (
            lambda d: d["boundary"].update(geometry={"type": "Polygon", "coordinates": []}),
            "~ boundary.geometry : contour modifié",
        ),
        (lambda d: d["services"].pop(0), "- services[proprete] : retiré ; ses demandes restent"),
        (lambda d: d["services"].reverse(), "~ services : ordre modifié"),
        (
            lambda d: d["services"].append({**d["services"][0], "service_code": "new"}),
            "+ services[new]",
        ),
        (
            lambda d: d["services"][0]["service_name"].update(fr="Saleté"),
            "~ services[proprete].service_name.fr : « Rue, place ou trottoir sale » → « Saleté »",
        ),
        (
            lambda d: d["services"][1]["attributes"][1].update(required=False),
            "~ services[depot-sauvage].attributes[HOWMANY].required : oui → non",
        ),
        (
            lambda d: d["services"][1]["attributes"][1]["values"].pop(),
            "- services[depot-sauvage].attributes[HOWMANY].values[lorry]",
        ),
        (
            lambda d: d["services"][0].update(keywords=["a", "b"]),
            "~ services[proprete].keywords : propreté, nettoyage, déchets, balayage → a, b",
        ),
    ],
)
def test_each_change_is_one_line_with_its_key(
    gentilly: Document, change: Callable[[Document], Any], line: str
) -> None:
    assert describe_difference(gentilly, changed(gentilly, change)) == [line]


def test_a_service_that_left_the_file_is_withdrawn_not_lost(gentilly: Document) -> None:
    without = changed(gentilly, lambda d: d["services"].pop(0))
    stored = keep_withdrawn(gentilly, without)
    city = jurisdiction_from_document(stored, changeset=None)
    assert city.services["proprete"].withdrawn
    assert "proprete" not in {each.service_code for each in city.services_at(None, None)}
    with pytest.raises(NotFound):
        city.service("proprete")


def test_a_withdrawn_service_stays_so_and_may_come_back(gentilly: Document) -> None:
    without = changed(gentilly, lambda d: d["services"].pop(0))
    stored = keep_withdrawn(keep_withdrawn(gentilly, without), without)
    assert describe_difference(stored, without) == []
    assert describe_difference(stored, gentilly) == ["+ services[proprete]"]
    back = jurisdiction_from_document(keep_withdrawn(stored, gentilly), changeset=None)
    assert back.service("proprete")


def test_a_first_document_keeps_nothing_back(gentilly: Document) -> None:
    assert keep_withdrawn(None, gentilly) == gentilly
