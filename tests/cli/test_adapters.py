"""`open311 adapter`: profiles checked, tried dry, and compared with the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from open311.adapters.profile_file import shipped_profiles
from tests.adapters.completed import completed_profile
from tests.cli.conftest import Shell
from tests.cli.worlds import FILES

Post = Callable[..., str]
DESTINATION = """
[[destinations]]
name = "gentilly-redmine"
profile = "redmine"
settings = { base_url = "https://redmine.ville.test", SETTINGS }
secrets = { api_key = "env:A_SECRET_THAT_IS_NOT_SET" }
"""
REDMINE = 'project = "voirie", key_field = "1", lat_field = "2", long_field = "3"'


def jurisdiction_file(
    folder: Path, destination: str = DESTINATION, settings: str = REDMINE
) -> Path:
    text = (FILES / "gentilly.fr.toml").read_text(encoding="utf-8")
    text = text.replace("../boundaries", str(FILES.parent / "boundaries"))
    path = folder / "gentilly.toml"
    path.write_text(text + destination.replace("SETTINGS", settings), encoding="utf-8")
    return path


def with_destination(
    shell: Shell, folder: Path, destination: str = DESTINATION, settings: str = REDMINE
) -> None:
    shell.done("jurisdiction", "apply", str(jurisdiction_file(folder, destination, settings)))


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_is_sound_and_says_what_was_tried(shell: Shell, name: str) -> None:
    if not name.startswith("astech-"):
        assert "aucune faute" in shell.done("adapter", "check", name)
    shown = shell.done("adapter", "show", name)
    told = ("outil réel :", "nos serveurs d'essai :", "imitation :", "pas essayé :")
    assert any(each in shown for each in told)
    assert name in shell.done("adapter", "list")


def test_the_list_says_the_real_tool_of_real_tools_only(shell: Shell) -> None:
    listed = shell.done("adapter", "list").splitlines()
    real = {line.split()[0] for line in listed if "outil réel" in line}
    assert real == {"django-helpdesk", "redmine", "roundup"}
    own = {line.split()[0] for line in listed if "nos serveurs d'essai" in line}
    assert own == {"email", "generic-csv", "georeport", "georeport-other", "webhook"}


@pytest.mark.parametrize("name", ["astech-rest", "astech-soap", "astech-sftp"])
def test_a_template_to_complete_is_refused_wherever_it_is_checked(
    shell: Shell, tmp_path: Path, name: str
) -> None:
    told = shell.refused("adapter", "check", name)
    assert "tables.nature.default : à compléter" in told
    path = jurisdiction_file(tmp_path, DESTINATION.replace("redmine", name))
    for verb in ("check", "apply"):
        told = shell.refused("jurisdiction", verb, str(path))
        assert f"destinations[0].profile : {name} : version : à compléter" in told
    assert "gabarit, à compléter" in shell.done("adapter", "list")


def test_no_astech_profile_claims_the_real_tool(shell: Shell) -> None:
    listed = shell.done("adapter", "list").splitlines()
    astech = [line for line in listed if line.startswith("astech")]
    assert astech
    assert not [line for line in astech if "outil réel" in line]


def test_a_check_tells_every_fault_of_every_file(shell: Shell, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        'extends = "redmine"\nname = "Ville"\n[operations.create]\nmethode = "POST"\n'
        '[transport]\nread_timeout_s = "30"\n',
        encoding="utf-8",
    )
    told = shell.refused("adapter", "check", str(bad), "no-such-profile", "redmine")
    for fault in (
        "name : « Ville »",
        "operations.create.methode : clé inconnue (vouliez-vous dire « method » ?)",
        "transport.read_timeout_s : un nombre entier",
        "no-such-profile : profil introuvable",
    ):
        assert fault in told


def test_a_dry_run_writes_what_would_leave_and_no_secret(
    shell: Shell, post: Post, tmp_path: Path
) -> None:
    with_destination(shell, tmp_path)
    id_ = post(description="Nid-de-poule près de l’école", email="ada@example.org")
    shown = shell.done("adapter", "dry-run", "redmine", "--request", id_)
    assert "POST https://redmine.ville.test/issues.json" in shown
    assert "Nid-de-poule près de l’école" in shown
    assert "X-Redmine-API-Key: •••" in shown
    assert "ada@example.org" not in shown


def test_a_dry_run_says_what_is_missing(shell: Shell, post: Post, tmp_path: Path) -> None:
    id_ = post()
    told = shell.refused("adapter", "dry-run", "redmine", "--request", id_)
    for name in ("base_url", "project", "key_field"):
        assert f"settings.{name} : réglage obligatoire" in told
    told = shell.refused("adapter", "dry-run", "redmine", "--request", id_, "--destination", "x")
    assert "« x » n'existe pas" in told


def test_coverage_names_services_and_stages_without_a_word(shell: Shell, tmp_path: Path) -> None:
    source = completed_profile(tmp_path, "rest")
    with_destination(
        shell,
        tmp_path,
        DESTINATION.replace('"redmine"', f'"{source}"').replace("api_key", "password")
        + "epsg = 2154\n",
        'login = "a", workshop = "b"',
    )
    told = shell.done("adapter", "coverage")
    assert "absent de la table nature, refusé" in told
    assert "aucun statut de l'outil ne mène à : qualified" in told
