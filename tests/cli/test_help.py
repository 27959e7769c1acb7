"""Every command teaches: in French, with an example of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

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
