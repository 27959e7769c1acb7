"""`open311 request`: staff move a request through its life, and the public follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from open311.storage.database import Database
from open311.storage.media import DiskMediaStore
from tests.cli.conftest import Shell
from tests.cli.worlds import FILES
from tests.conftest import age_photos

Post = Callable[..., str]
EXTENDED = {"extensions": "true"}
PHOTOS = FILES.parent / "photos"


def public(client: Any, id_: str) -> Any:
    url = f"/open311/gentilly.fr/v2/requests/{id_}.json"
    answer = client.get(url, query_string=EXTENDED)
    return answer.json[0] if answer.status_code == 200 else answer.status_code


def stage_of(shell: Shell, id_: str) -> str:
    return str(json.loads(shell.done("request", "show", id_, "--json"))["stage"])


def test_a_request_goes_through_its_life_with_public_and_internal_notes(
    shell: Shell, client: Any, post: Post
) -> None:
    id_ = post(email="elodie@example.org", first_name="Élodie")
    shell.done("request", "update", id_, "--stage", "planned", "--note", "Jeudi matin")
    shell.done("request", "update", id_, "--internal", "Prévenir le chef de secteur")
    shell.done("request", "close", id_, "--note", "Nettoyé, merci !")
    shown = public(client, id_)
    assert (shown["status"], shown["status_notes"]) == ("closed", "Nettoyé, merci !")
    assert shown["extended_attributes"]["detailed_status"] == "PROCESSED"
    told = json.dumps(shown, ensure_ascii=False)
    assert "Jeudi matin" in told
    assert "chef de secteur" not in told
    assert "elodie" not in told.lower()
    agent = shell.done("request", "show", id_)
    for text in ("chef de secteur", "elodie@example.org", "Élodie", "Jeudi matin", "planned"):
        assert text in agent
    shell.done("request", "reopen", id_, "--note", "Revenu")
    assert public(client, id_)["status"] == "open"


def test_steps_that_contradict_the_history_change_nothing(shell: Shell, post: Post) -> None:
    id_ = post()
    assert "rien à rouvrir" in shell.refused("request", "reopen", id_)
    shell.done("request", "close", id_, "--stage", "no_follow_up")
    assert "rouvrez-la" in shell.refused("request", "update", id_, "--stage", "planned")
    assert stage_of(shell, id_) == "no_follow_up"


def test_a_duplicate_names_a_request_that_exists(shell: Shell, client: Any, post: Post) -> None:
    first, second = post(), post()
    assert "n'existe pas" in shell.refused("request", "close", second, "--duplicate-of", "999")
    assert "elle-même" in shell.refused("request", "close", second, "--duplicate-of", second)
    assert stage_of(shell, second) == "received"
    shell.done("request", "close", second, "--duplicate-of", first)
    assert public(client, second)["extended_attributes"]["parent_service_request_id"] == first


def test_moderated_requests_wait_until_they_are_published(
    shell: Shell, client: Any, post: Post
) -> None:
    kept, refused = (post(service_code="tag", **needed(client, "tag")) for _ in range(2))
    waiting = json.loads(shell.done("request", "list", "--visibility", "pending", "--json"))
    assert [each["service_request_id"] for each in waiting] == [refused, kept]
    assert listed(client) == []
    shell.done("request", "publish", kept)
    shell.done("request", "reject", refused, "--internal", "Nomme un voisin")
    assert listed(client) == [kept]
    assert public(client, refused) == 404
    assert "Nomme un voisin" in shell.done("request", "show", refused)


def test_a_blackbox_request_is_never_published(shell: Shell, client: Any, post: Post) -> None:
    form = {"service_code": "bruit", "lat": "48.813", "long": "2.3444", "api_key": shell.key()}
    client.post("/open311/gentilly.fr/v2/requests.json", data=form | needed(client, "bruit"))
    (found,) = json.loads(shell.done("request", "list", "--json"))
    assert "blackbox" in shell.refused("request", "publish", found["service_request_id"])
    assert listed(client) == []


def test_an_agent_of_one_side_does_not_reach_the_other(shell: Shell, post: Post) -> None:
    id_ = post()
    assert "n'existe pas" in shell.refused("request", "close", id_, "--test")
    assert shell.done("request", "list", "--test") == ""
    assert id_ in shell.done("request", "list")


def test_erasing_leaves_a_trace_without_person_text_or_photo(
    shell: Shell, client: Any, post: Post, database: Database
) -> None:
    other = post(media=photo("depot-sauvage.jpg"))
    id_ = post(
        media=[photo("nid-de-poule.jpg"), photo("depot-sauvage.jpg")],
        description="Chez Élodie",
        email="elodie@example.org",
    )
    shell.done("request", "update", id_, "--note", "Vu Élodie", "--internal", "Élodie rappelle")
    media = DiskMediaStore(shell.folder / "media")
    kept = photos_of(shell, other)
    age_photos(shell.folder / "media", hours=2)
    assert shell.done("request", "erase", id_, "--yes") == f"La demande {id_} est effacée.\n"
    assert set(media.names()) == kept
    assert public(client, id_) == 404
    assert public(client, other)["media_url"]
    for table in ("service_request", "reporter", "request_update", "public_document", "outbox"):
        assert "lodie" not in repr(database.rows(f"SELECT * FROM {table}")), table
    trace = json.loads(shell.done("request", "show", id_, "--json"))
    assert (trace["visibility"], trace["service_code"]) == ("erased", "proprete")
    assert shell.done("request", "erase", id_, "--yes") == f"La demande {id_} était déjà effacée.\n"
    shell.done("db", "check")


def test_an_erasure_that_was_cut_short_can_be_done_again(
    shell: Shell, client: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = post(media=photo("nid-de-poule.jpg"), email="elodie@example.org")
    age_photos(shell.folder / "media", hours=2)
    with monkeypatch.context() as cut:
        cut.setattr("open311.operations.follow_up._erase", lambda *_, **__: 1 / 0)
        assert shell("request", "erase", id_, "--yes").exit_code != 0
    assert list(DiskMediaStore(shell.folder / "media").names()) == []
    assert "elodie" in shell.done("request", "show", id_)
    shell.done("request", "erase", id_, "--yes")
    assert "elodie" not in shell.done("request", "show", id_)
    assert public(client, id_) == 404


def test_erasing_asks_first(shell: Shell, client: Any, post: Post) -> None:
    id_ = post()
    assert shell("request", "erase", id_, input="n\n").exit_code == 130
    assert public(client, id_)["service_request_id"] == id_


def photo(name: str) -> tuple[BytesIO, str]:
    return BytesIO((PHOTOS / name).read_bytes()), name


def listed(client: Any) -> list[str]:
    answer = client.get("/open311/gentilly.fr/v2/requests.json")
    return [each["service_request_id"] for each in answer.json]


def photos_of(shell: Shell, id_: str) -> set[str]:
    whole = json.loads(shell.done("request", "show", id_, "--json"))
    return {name for photo in whole["photos"] for name in (photo["name"], photo["thumbnail"])}


def needed(client: Any, service_code: str) -> dict[str, str]:
    """Answers to the required questions of a service."""
    definition = client.get(f"/open311/gentilly.fr/v2/services/{service_code}.json").json
    return {
        f"attribute[{each['code']}]": each["values"][0]["key"] if each.get("values") else "1"
        for each in definition["attributes"]
        if each["required"] and each["datatype"] != "datetime"
    } | {
        f"attribute[{each['code']}]": "2026-01-01T10:00:00Z"
        for each in definition["attributes"]
        if each["required"] and each["datatype"] == "datetime"
    }
