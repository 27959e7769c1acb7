"""The page behind a mailed link, in a real browser: a phone, no JavaScript, a screen reader."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.acceptance.chromium import Browser, browser
from tests.acceptance.conftest import City, open_city
from tests.acceptance.mailed_links import MAILBOX, SECRET, address_of, link_to, reported

pytestmark = [pytest.mark.acceptance, pytest.mark.slow_tools]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("city")
    secret = folder / "secret"
    secret.write_text(SECRET)
    url = f"sqlite:///{folder / 'open311.sqlite3'}"
    city = open_city(folder, url, destinations=MAILBOX.format(secret=secret))
    yield city
    city.server.kill()


@pytest.fixture
def phone() -> Iterator[Browser]:
    with browser() as page:
        yield page


def public(city: City, id_: str) -> tuple[str, str | None]:
    with urllib.request.urlopen(f"{city.own_base}/requests/{id_}.json") as answer:
        (found,) = json.load(answer)
    return found["status"], found["status_notes"]


def test_an_agent_closes_a_request_from_a_phone(city: City, phone: Browser) -> None:
    id_ = reported(city, "Un canapé <b>vert</b> " + "interminable" * 40)
    phone.open(address_of(city) + link_to(id_, "close"))
    text = phone.await_text("Reçue le")
    assert "Un canapé <b>vert</b>" in text
    assert public(city, id_) == ("open", None)
    layout = phone.call("Page.getLayoutMetrics")
    assert layout["cssContentSize"]["width"] <= 360, "one must scroll sideways"
    (field,) = [node for name, node in phone.named("textbox").items() if name.startswith("Note")]
    (button,) = phone.named("button").values()
    assert button["name"]["value"] == "Clôturer"
    left, top, right, bottom = phone.box(button)
    assert bottom - top >= 44, "too small for a thumb"
    assert 0 <= left < right <= 360
    phone.type(field, "Enlevé ce matin.")
    phone.tap(button)
    assert "C'est enregistré" in phone.await_text("C'est enregistré")
    assert not phone.named("button")
    assert public(city, id_) == ("closed", "Enlevé ce matin.")


def test_a_refusal_asks_for_its_reason_before_it_is_sent(city: City, phone: Browser) -> None:
    id_ = reported(city, "Un arbre.")
    phone.open(address_of(city) + link_to(id_, "refuse"))
    phone.await_text("Reçue le")
    (button,) = phone.named("button").values()
    phone.tap(button)
    assert public(city, id_) == ("open", None)
    ((name, field),) = phone.named("textbox").items()
    assert name == "Raison du refus (obligatoire)"
    phone.type(field, "Terrain privé.")
    phone.tap(button)
    phone.await_text("C'est enregistré")
    assert public(city, id_) == ("closed", "Terrain privé.")
    phone.open(address_of(city) + link_to(id_, "accept"))
    phone.await_text("ce lien ne sert plus")
    assert not phone.named("button")
