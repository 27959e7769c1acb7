"""`open311 key` and `open311 jurisdiction`, each shown through the server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import GENTILLY, Shell
from tests.cli.worlds import FILES

POST = {"service_code": "proprete", "lat": "48.813", "long": "2.3444"}
ENDPOINT = "/open311/gentilly.fr/v2/requests.json"


def status(client: Any, key: str, endpoint: str = ENDPOINT) -> int:
    return int(client.post(endpoint, data=POST | {"api_key": key}).status_code)


def test_a_key_is_shown_once_and_works(shell: Shell, client: Any) -> None:
    shown = shell.done("key", "create", "--jurisdiction", "gentilly.fr", "--label", "Été").split()
    assert len(shown) == 1
    assert status(client, shown[0]) == 200
    listed = shell.done("key", "list")
    assert "Été" in listed
    assert shown[0].rsplit("_", 1)[1] not in listed


def test_rights_endpoint_and_age_of_a_key_are_as_asked(shell: Shell, client: Any) -> None:
    assert status(client, shell.key("--right", "update")) == 403
    test_key = shell.key("--test")
    assert status(client, test_key) == 403
    assert status(client, test_key, "/open311/gentilly.fr/test/v2/requests.json") == 200
    options = ("--expires-days", "2", "--same-body-window", "60", "--client-reference", "REF")
    shell.key(*options)
    last = json.loads(shell.done("key", "list", "--json"))[-1]
    assert (last["same_body_window_s"], last["client_reference"]) == (60, "REF")
    assert last["expires_datetime"] > last["created_datetime"]


def test_rotating_keeps_the_old_key_for_the_overlap_only(shell: Shell, client: Any) -> None:
    old = shell.key()
    new = json.loads(shell.done("key", "rotate", old, "--json"))
    assert new["replaces_api_key_id"] == old.split("_")[1]
    assert status(client, new["key"]) == status(client, old) == 200
    shell.done("key", "rotate", new["api_key_id"], "--overlap-days", "0")
    assert status(client, new["key"]) == 403


def test_a_key_that_is_replaced_may_get_a_right_more_and_the_old_one_does_not(
    shell: Shell, client: Any
) -> None:
    """A server that passes requests on, and has a key from before there was `peer`."""
    old = shell.key()
    new = json.loads(
        shell.done("key", "rotate", old, "--right", "peer", "--right", "update", "--json")
    )
    assert new["rights"] == ["create", "update", "peer"]
    told = {"Open311-Origin": "s1/x.fr/7"}
    for key, expected in ((old, 403), (new["key"], 200)):
        answer = client.post(ENDPOINT, data=POST | {"api_key": key}, headers=told)
        assert answer.status_code == expected


def test_a_revoked_key_is_refused_at_once(shell: Shell, client: Any) -> None:
    key = shell.key()
    shell.done("key", "revoke", key)
    assert status(client, key) == 403
    assert "retirée" in shell.done("key", "list")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["key", "create"], 2, "Il manque l'option --jurisdiction"),
        (["key", "create", "--jurisdiction", "nimes.fr"], 1, "servies : gentilly.fr"),
        (["key", "revoke", "000000000000"], 1, "n'existe pas"),
        (["key", "creat"], 2, "vouliez-vous dire create"),
        (["key", "list", "--jsn"], 2, "vouliez-vous dire --json"),
        (["jurisdiction", "check", "nowhere.toml"], 1, "ne peut pas être lu"),
        (["request", "show", "12"], 1, "n'existe pas"),
        (["request", "show", "douze"], 1, "n'est pas un numéro"),
        (["request", "update", "12"], 2, "Il manque --stage, --note ou --internal"),
    ],
)
def test_what_is_refused_is_said_in_french(
    shell: Shell, arguments: list[str], code: int, said: str
) -> None:
    assert said in shell.refused(*arguments, code=code)


def test_applying_the_same_file_twice_changes_nothing(bare_shell: Shell) -> None:
    assert "+ jurisdiction gentilly.fr" in bare_shell.done("jurisdiction", "apply", GENTILLY)
    assert bare_shell.done("jurisdiction", "apply", GENTILLY) == "gentilly.fr : inchangé.\n"
    assert "Ville de Gentilly" in bare_shell.done("jurisdiction", "list")


def altered(folder: Path, *changes: tuple[str, str]) -> str:
    """A copy of Gentilly's file with some of its text replaced."""
    text = (FILES / "gentilly.fr.toml").read_text("utf-8")
    text = text.replace("../boundaries", str(FILES.parent / "boundaries"))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "altered.toml"
    path.write_text(text, "utf-8")
    return str(path)


def changeset(client: Any) -> str:
    document = client.get("/open311/gentilly.fr/v2/discovery.json").json
    return str(document["changeset"])


def test_the_changeset_moves_with_the_catalogue_and_with_nothing_else(
    shell: Shell, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from open311.operations.installation import Installation

    later = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)
    monkeypatch.setattr(Installation, "now", lambda _self: later)
    first = changeset(client)
    contact = altered(tmp_path, ("Mairie de Gentilly (exemple", "Hôtel de ville (exemple"))
    assert "~ contact" in shell.done("jurisdiction", "apply", contact)
    assert changeset(client) == first
    keyword = altered(tmp_path, ('"balayage"', '"balai"'))
    shell.done("jurisdiction", "apply", keyword)
    assert changeset(client) > first
    assert changeset(client).startswith("2031-05-04")


def test_a_renamed_service_is_renamed_in_the_requests_it_has(
    shell: Shell, client: Any, post: Any, tmp_path: Path
) -> None:
    id_, other = post(), post(service_code="avaloir")
    before = client.get(f"/open311/gentilly.fr/v2/requests/{other}.json")
    path = altered(tmp_path, ('fr = "Rue, place ou trottoir sale"', 'fr = "Saleté"'))
    assert "1 demandes (production) portent" in shell.done("jurisdiction", "apply", path)
    shown = client.get(f"/open311/gentilly.fr/v2/requests/{id_}.json").json[0]
    assert shown["service_name"] == "Saleté"
    after = client.get(f"/open311/gentilly.fr/v2/requests/{other}.json")
    assert after.data == before.data
    assert after.json[0]["service_name"] != "Saleté"


def test_a_service_that_left_the_file_takes_no_new_request_and_keeps_its_old_ones(
    shell: Shell, client: Any, post: Any, tmp_path: Path
) -> None:
    id_ = post()
    text = Path(altered(tmp_path)).read_text("utf-8")
    start = text.index("[[services]]")
    end = text.index("[[services]]", start + 1)
    shorter = tmp_path / "shorter.toml"
    shorter.write_text(text[:start] + text[end:], "utf-8")
    assert "- services[proprete]" in shell.done("jurisdiction", "apply", str(shorter))
    assert shell.done("jurisdiction", "apply", str(shorter)) == "gentilly.fr : inchangé.\n"
    key = shell.key()
    assert status(client, key) == 404
    assert client.get(f"/open311/gentilly.fr/v2/requests/{id_}.json").status_code == 200
    shell.done("jurisdiction", "apply", altered(tmp_path))
    assert status(client, key) == 200


def test_of_several_files_all_or_none_are_applied(bare_shell: Shell, tmp_path: Path) -> None:
    broken = altered(tmp_path, ("outside =", "outsid ="))
    said = bare_shell.refused("jurisdiction", "apply", str(FILES / "nimes.fr.toml"), broken)
    assert re.search(r"outsid", said)
    assert bare_shell.done("jurisdiction", "list") == ""


def test_checking_needs_no_database(tmp_path: Path) -> None:
    shell = Shell("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    assert "aucune faute" in shell.done("jurisdiction", "check", GENTILLY)
    assert "ne répond pas" in shell.refused("jurisdiction", "list")
