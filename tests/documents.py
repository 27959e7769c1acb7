"""The documents of this repository, and the commands that they tell to type."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("conformance", "schemas")),
    *sorted(path for folder in ("docs", "fixtures") for path in (ROOT / folder).rglob("*.md")),
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ENDS = {"&&", "||", "|", ";", "&", ">", "<", ">>", "2>"}
_BEFORE_A_PROGRAM = {"&&", "||", "|", ";", "--"}


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is written in, and its text."""

    language: str
    text: str

    @property
    def title(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    return [Block(*found) for found in _FENCE.findall(document.read_text(encoding="utf-8"))]


def links(document: Path) -> list[str]:
    """Where a document's links go."""
    return _LINK.findall(document.read_text(encoding="utf-8"))


def commands(document: Path, program: str) -> list[list[str]]:
    """Every call of a program in the shell blocks of a document: its arguments."""
    found = []
    for block in blocks(document):
        if block.language == "sh":
            lines = block.text.replace("\\\n", " ").splitlines()
            found += [call for line in lines for call in _calls(line, program)]
    return found


def _calls(line: str, program: str) -> list[list[str]]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a line of a text that spans several
        return []
    found: list[list[str]] = []
    for number, word in enumerate(words):
        is_program = word == program or word.endswith(f"/bin/{program}")
        if is_program and (number == 0 or words[number - 1] in _BEFORE_A_PROGRAM):
            rest = words[number + 1 :]
            end = next((n for n, each in enumerate(rest) if each in _ENDS), len(rest))
            found.append([each for each in rest[:end] if each != "$@"])
    return found
