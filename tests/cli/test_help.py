"""Every command teaches: in French, with an example of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from open311.cli import main


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_help_is_french_and_shows_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="open311")
    assert result.exit_code == 0
    for english in ("Usage:", "Show this message", "Commands:"):
        assert english not in result.stdout
    if path[-1:] and not isinstance(_command(path), click.Group):
        assert f"open311 {' '.join(path)}" in result.stdout.split("Usage", 1)[1].split("\n", 1)[1]


def test_examples_keep_their_lines() -> None:
    shown = CliRunner().invoke(main, ["request", "close", "--help"], prog_name="open311").stdout
    assert '      open311 request close 1042 --note "Enlevé ce matin, merci !"\n' in shown
    assert "\n      open311 request close 1043 --duplicate-of 1042\n" in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["serve", "--port", "99999"], "entre 0 et 65535"),
        (["request", "list", "--stage", "nulle"], "valeurs possibles : received, "),
        (["dmo"], "vouliez-vous dire demo"),
        (["serve", "--prot", "1"], "--port"),
        (["request", "close"], "Il manque NUMÉRO."),
        (["import", "absent.csv"], "absent.csv"),
    ],
    ids=str,
)
def test_a_line_that_is_wrong_is_answered_in_french(line: list[str], said: str) -> None:
    result = CliRunner().invoke(main, line, prog_name="open311")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Aide : open311" in result.stderr
    for english in ("is not", "Invalid", "Missing", "No such option"):
        assert english not in result.stderr


def test_the_guide_names_every_command() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "cli.md").read_text("utf-8")
    for path in commands(main):
        if not isinstance(_command(path), click.Group):
            assert f"| `open311 {' '.join(path)}` |" in guide


def test_openapi_needs_no_database() -> None:
    result = CliRunner().invoke(main, ["openapi"], env={"OPEN311_DATABASE_URL": "sqlite:////no/x"})
    assert result.exit_code == 0
    assert json.loads(result.stdout)["openapi"].startswith("3.1")


def _command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = main
    for name in path:
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), name)
        assert below is not None
        found = below
    return found
