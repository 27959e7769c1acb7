"""What the documents tell to type exists, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from open311.cli import main
from open311.config.settings import Settings
from tests.documents import DOCUMENTS, ROOT, commands, links

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


@pytest.fixture(params=NAMES)
def document(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


def unknown_in(arguments: list[str]) -> str | None:
    """The first word of a call of `open311` that the program would not understand."""
    command: click.Command = main
    context = click.Context(command, info_name="open311")
    for word in arguments:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(context, word)
            if found is None:
                return word
            command, context = found, click.Context(found, parent=context)
        elif word.startswith("--") and word.partition("=")[0] not in _options(command, context):
            return word
    return None if not isinstance(command, click.Group) or "--help" in arguments else "(a verb)"


def _options(command: click.Command, context: click.Context) -> set[str]:
    return {name for each in command.get_params(context) for name in each.opts}


def test_every_open311_command_of_a_document_exists(document: Path) -> None:
    unknown = [each for each in commands(document, "open311") if each and unknown_in(each)]
    assert not unknown


def test_every_make_target_of_a_document_exists(document: Path) -> None:
    for target, *settings in commands(document, "make"):
        assert target in TARGETS
        for setting in settings:
            name, _, value = setting.partition("=")
            assert f"{name} ?=" in MAKEFILE
            assert name != "ARGS" or (ROOT / value).exists()


def test_make_targets_named_in_passing_exist(document: Path) -> None:
    """In the running text: `make target`."""
    named = re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))
    assert set(named) <= TARGETS


def test_links_lead_to_files(document: Path) -> None:
    for link in links(document):
        if not link.startswith(("http://", "https://", "#")):
            assert (document.parent / link.partition("#")[0]).exists(), link


def test_settings_that_documents_name_exist(document: Path) -> None:
    named = set(re.findall(r"OPEN311_[A-Z0-9_]+[A-Z0-9]", document.read_text(encoding="utf-8")))
    known = {f"OPEN311_{name.upper()}" for name in Settings.__dataclass_fields__}
    known |= {f"{name}_FILE" for name in known} | {"OPEN311_X", "OPEN311_X_FILE"}
    known.add("OPEN311_API_KEY")  # the conformance suite's
    assert named <= known


def test_the_readme_is_looked_at() -> None:
    assert ["demo"] in commands(ROOT / "README.md", "make")
    assert ["db", "upgrade"] in commands(ROOT / "README.md", "open311")


@pytest.mark.parametrize(
    ("call", "unknown"),
    [
        ("db upgrade", None),
        ("key create --jurisdiction x", None),
        ("bd upgrade", "bd"),
        ("key create --juridiction x", "--juridiction"),
        ("key", "(a verb)"),
        ("key make", "make"),
    ],
)
def test_a_wrong_command_is_seen(call: str, unknown: str | None) -> None:
    assert unknown_in(call.split()) == unknown
