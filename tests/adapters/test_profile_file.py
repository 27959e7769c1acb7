"""A profile file: every fault at once, each with its dotted key, and no code in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from open311.adapters.profile import ProfileFaults, UnmappedValue
from open311.adapters.profile_file import shipped_profiles
from open311.adapters.registry import make_adapter, profile_faults, read_profile
from open311.adapters.rest_call import request_of
from open311.adapters.transforms import Means, no_resolver
from open311.domain.delivery import Destination
from open311.domain.status import Stage
from tests.adapters.completed import completed_profile

SOUND = """
format = 1
name = "outil"
version = "1"
kind = "rest"
title = "Outil"
idempotency = "none"
[tried]
untried = "rien"
[operations.probe]
method = "GET"
path = "/ping"
[operations.create]
method = "POST"
path = "/tickets"
body = "json"
fields = [{ to = "title", from = "title" }]
answer = { ticket_id = "id" }
"""

#: What is added to (or put in place of) a sound profile, and what must be told of it.
FAULTS = [
    ("[unknown]", "unknown : clé inconnue"),
    ("format = 2", "format : 1 est attendu."),
    ("[operations.explode]\nmethod = 1", "operations.explode : cette opération n'existe pas"),
    ('kind = "python"', "kind : « python » ne convient pas"),
    ('idempotency = "lookup"', "operations.lookup : obligatoire"),
    ('fields = [{ to = "a", from = "titel" }]', "(vouliez-vous dire « title » ?)"),
    ('fields = [{ to = "a", from = "reporter.device_id" }]', "(du déclarant : email"),
    ('fields = [{ to = "a", from = "title", const = 1 }]', "exactement un de"),
    ('fields = [{ to = "a", template = "{settings.nope}" }]', "« settings.nope »"),
    ('fields = [{ to = "a", template = "lone } brace" }]', "accolade seule"),
    ('fields = [{ to = "a", from = "title", transforms = ["eval"] }]', "« eval » n'est pas une"),
    (
        'fields = [{ to = "a", from = "title", transforms = [{ truncate = "x" }] }]',
        "operations.create.fields[0].transforms[0] : truncate : un nombre",
    ),
    (
        'fields = [{ to = "a", from = "title", transforms = [{ table = "nope" }] }]',
        "table : le nom d'une table du profil attendu",
    ),
    (
        (
            'fields = [{ to = "a", from = "requested_datetime", transforms = [{ date = "iso", '
            'tz = "Mars" }] }]'
        ),
        "tz : un fuseau (Europe/Paris) attendu",
    ),
    ('answer = { ticket_id = "id[" }', "n'est pas du JMESPath"),
    ('answer = { number = "n" }', "answer.ticket_id : clé obligatoire"),
    ('answer = { ticket_id = { path = "id", pattern = "(a)(b)" } }', "un groupe ( … ), un seul"),
    ("[operations.explode]", "operations.explode : cette opération n'existe pas"),
    ('path = "@127.0.0.1:8000/me"', "operations.create.path : une adresse sous base_url commence"),
    ('path = "http://evil.example/api"', "une adresse sous base_url commence par « / »"),
    ('path = "jobs"', "une adresse sous base_url commence par « / »"),
    ('path = "{title}/jobs"', "une adresse sous base_url commence par « / »"),
    (
        'fields = [{ to = "b", from = "title" }, { to = "b", const = 1 }]',
        "operations.create.fields[1].to : « b » est déjà pris par operations.create.fields[0]",
    ),
    (
        'fields = [{ to = "b", from = "title" }, { to = "b.c", const = 1 }]',
        "operations.create.fields[0].to : « b » ne peut pas contenir aussi « b.c »",
    ),
    ('extends = "self"', "extends : « self » n'est pas un profil livré"),
    ('extends = "not-there.toml"', "not-there.toml » n'existe pas"),
    ('body = "none"', "des « fields » demandent un corps"),
    ('[tables.priority.values]\na = "1"', "tables.priority.default : il faut"),
    (
        '[tables.status_in]\nunknown = "error"\n[tables.status_in.values]\nNew = "recieved"',
        "« recieved » n'est pas une étape (vouliez-vous dire « received » ?)",
    ),
    ('[tables.status_in]\ndefault = "done"', "un statut inconnu ne se devine pas"),
    ('[auth]\nscheme = "oauth2"', "auth.token_url : clé obligatoire"),
    (
        '[auth]\nscheme = "login"\nname = "X"\nvalue = "{kept.token}"',
        "auth.login : clé obligatoire",
    ),
    ('[privacy]\nreporter_fields = ["all"]', "privacy.reporter_fields[0]"),
    ('[settings.key]\nlabel = "clé"\nsecret = true\ndefault = "x"', "pas de valeur par défaut"),
]


def written(folder: Path, change: str) -> str:
    """The sound profile with a change: a key in place of its like, or a block at the end."""
    text, key = SOUND, change.split(" = ", maxsplit=1)[0]
    if key == "extends":
        text = "\nextends =\n" + SOUND
    if change.startswith("["):
        text = SOUND + change
    else:
        text = "\n".join(
            change if line.startswith(f"{key} =") else line for line in text.split("\n")
        )
    path = folder / "profile.toml"
    path.write_text(text, encoding="utf-8")
    tomllib.loads(text)
    return str(path)


def test_a_sound_profile_is_read(tmp_path: Path) -> None:
    assert read_profile(written(tmp_path, 'title = "Outil"')).name == "outil"


@pytest.mark.parametrize(("change", "told"), FAULTS, ids=[told[:40] for _, told in FAULTS])
def test_each_fault_is_told_with_its_key(tmp_path: Path, change: str, told: str) -> None:
    with pytest.raises(ProfileFaults) as caught:
        read_profile(written(tmp_path, change))
    assert told in caught.value.message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    text = SOUND.replace('"/ping"', '"/{nope}"').replace('from = "title"', 'from = "titel"')
    path.write_text(text.replace('version = "1"', "version = 1"), encoding="utf-8")
    with pytest.raises(ProfileFaults) as caught:
        read_profile(str(path))
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("flavour", ["rest", "soap", "sftp"])
def test_a_template_runs_only_once_it_is_completed(tmp_path: Path, flavour: str) -> None:
    with pytest.raises(ProfileFaults, match="version : à compléter") as caught:
        make_adapter(Destination("ville", f"astech-{flavour}"))
    assert "tables.nature.default : à compléter" in caught.value.message
    assert read_profile(f"astech-{flavour}", to_show=True).tried.real is None
    assert profile_faults(completed_profile(tmp_path, flavour)) == []
    for left in (
        '[tables.nature.values]\nb = "A COMPLETER"',
        '[tables.c.values]\n"À COMPLÉTER" = "x"',
    ):
        path = tmp_path / "left.toml"
        path.write_text(f'extends = "{completed_profile(tmp_path, flavour)}"\n{left}')
        assert any("à compléter" in fault for fault in profile_faults(str(path)))


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_stage_of_ours_has_a_word_in_a_tool_that_takes_statuses(name: str) -> None:
    tables = read_profile(name, to_show=True).tables
    if "status_out" in tables:
        assert [stage for stage in Stage if tables["status_out"].find(stage) is None] == []


@pytest.mark.parametrize(
    "name", ["email", "generic-csv", "georeport", "georeport-other", "webhook"]
)
def test_our_own_servers_do_not_count_as_the_real_tool(name: str) -> None:
    tried = read_profile(name).tried
    assert (tried.real, bool(tried.own)) == (None, True)


def test_a_profile_that_extends_another_changes_only_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "city.toml"
    path.write_text(
        'extends = "glpi"\nname = "ville"\n[tables.category.values]\nvoirie = "7"\n',
        encoding="utf-8",
    )
    profile, shipped = read_profile(str(path)), read_profile("glpi")
    assert profile.tables["category"].find("voirie") == "7"
    assert profile.tables["category"].find("autre") == "0"
    assert profile.engine == shipped.engine


def test_profiles_that_extend_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(ProfileFaults, match="niveaux au plus"):
        read_profile(str(tmp_path / "a.toml"))


@pytest.mark.parametrize("parent", ["city", "gone.toml"])
def test_a_profile_that_extends_nothing_is_blamed_itself(tmp_path: Path, parent: str) -> None:
    path = tmp_path / "city.toml"
    path.write_text(f'extends = "{parent}"', encoding="utf-8")
    with pytest.raises(ProfileFaults, match=r"extends : .*" + parent) as caught:
        read_profile(str(path))
    assert str(path) in caught.value.message


def test_a_destination_is_told_all_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    destination = Destination(
        "ville",
        "redmine",
        settings={"base_url": "redmine", "projet": "voirie", "api_key": "in-clear"},
        secrets={"api_key": "env:NOT_SET"},
    )
    with pytest.raises(ProfileFaults) as caught:
        make_adapter(destination)
    for told in (
        "settings.base_url : « redmine »",
        "settings.projet : réglage inconnu (vouliez-vous dire « project » ?)",
        "settings.api_key : un secret se donne dans « secrets »",
        "secrets.api_key : rien derrière",
        "settings.key_field : réglage obligatoire",
    ):
        assert told in caught.value.message


@pytest.mark.parametrize("secret", [" tool-secret-42", "tool-secret-42\nX: 1", "tool-\x00secret"])
def test_a_secret_with_more_than_itself_is_refused_and_not_shown(
    tmp_path: Path, secret: str
) -> None:
    key = tmp_path / "key"
    key.write_text(secret, encoding="utf-8")
    destination = Destination("ville", "redmine", secrets={"api_key": f"file:{key}"})
    with pytest.raises(ProfileFaults, match=r"secrets\.api_key : un blanc") as caught:
        make_adapter(destination)
    assert "secret-42" not in caught.value.message


def test_a_residents_words_in_a_header_are_one_line_of_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "headers.toml"
    header = 'headers = [{ to = "X-Text", from = "description" }]\n'
    path.write_text(SOUND + header, encoding="utf-8")
    call = read_profile(str(path)).engine.operations["create"].call
    values = {"title": "a", "description": "L’œuvre\r\nX-Other: 1"}
    request = request_of(call, values, Means({}, no_resolver), base_url="https://a.test")
    assert request.headers["X-Text"].encode("latin-1").decode() == "L’œuvre X-Other: 1"


def test_a_path_made_of_settings_stays_below_base_url(tmp_path: Path) -> None:
    text = SOUND.replace('"/tickets"', '"{settings.place}"') + '[settings.place]\nlabel = "x"\n'
    path = tmp_path / "place.toml"
    path.write_text(text, encoding="utf-8")
    call = read_profile(str(path)).engine.operations["create"].call
    values = {"title": "a", "settings.place": "@127.0.0.1:8000/me"}
    with pytest.raises(UnmappedValue, match="doit commencer par"):
        request_of(call, values, Means({}, no_resolver), base_url="https://a.test")


def test_a_profile_that_sends_x_and_y_needs_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "secret-1234")
    destination = Destination(
        "ville",
        completed_profile(tmp_path, "rest"),
        settings={"base_url": "https://a.test", "login": "a", "workshop": "b"},
        secrets={"password": "env:PASSWORD"},
    )
    with pytest.raises(ProfileFaults, match="epsg"):
        make_adapter(destination)
