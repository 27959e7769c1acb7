"""A profile: how one kind of tool is spoken to, as checked values and nothing else.

A profile file holds no code. It names values of the ticket (adapters/vocabulary.py),
turns them through a closed list of transforms (adapters/transforms.py) and says where
they go. These classes are what `profile_file.read_profile` makes of it; each engine
(rest, soap, smtp…) adds a block of its own, `Profile.engine`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from open311.domain.delivery import Idempotency
from open311.domain.errors import Open311Error


class ProfileFaults(Open311Error):
    """A profile that cannot be used.

    Attributes:
        source: the file, or the name of the shipped profile.
        faults: one French sentence per fault, each beginning with its dotted key.
    """

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{source} : {fault}" for fault in faults))
        self.source = source
        self.faults = tuple(faults)


class UnmappedValue(Open311Error):
    """A value has no place in the tool: no entry in a table, no default, nothing to send.

    The adapter turns it into `ToolRefused`: nothing was sent, a person mends the mapping.
    """


class WhenEmpty(StrEnum):
    """What a field does when its value is empty: leave its key out, say so, or refuse."""

    OMIT = "omit"
    NULL = "null"
    EMPTY = "empty"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Transform:
    """One step of a chain: a name of the closed list, its argument and its options."""

    name: str
    argument: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{name}` of the vocabulary; `{{` and `}}` are braces.

    Attributes:
        pieces: literal text and names in turn: text, name, text, name, …, text.
    """

    pieces: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the template asks for."""
        return self.pieces[1::2]


@dataclass(frozen=True, slots=True)
class Field:
    """One value on its way to the tool.

    Attributes:
        to: where it goes: dotted path in a document (`issue.custom_fields.0.id`; a
            number is a place in a list), or the name of a column, parameter or header.
        name: the value's name in the vocabulary; else `template`, else `const`.
        transforms: applied in order to the value.
    """

    to: str
    name: str | None = None
    template: Template | None = None
    const: Any = None
    transforms: tuple[Transform, ...] = ()
    when_empty: WhenEmpty = WhenEmpty.OMIT

    def asks_for(self, name: str) -> bool:
        """Whether a value of the vocabulary goes into it."""
        return name == self.name or (self.template is not None and name in self.template.names)


@dataclass(frozen=True, slots=True)
class CodeTable:
    """Words of ours to words of the tool, or back.

    Attributes:
        values: compared without regard to case and blank ends.
        default: for what is not in `values`; None = such a value is an error.
    """

    values: Mapping[str, str]
    default: str | None = None

    def find(self, word: str) -> str | None:
        """The entry of a word, the default, or None."""
        wanted = word.strip().casefold()
        for known, value in self.values.items():
            if known.strip().casefold() == wanted:
                return value
        return self.default


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that the profile leaves to the destination.

    Attributes:
        secret: comes from `destination.secrets` and is masked wherever it would show.
        has_lines: a secret of several lines (a key file).
    """

    label: str
    required: bool = False
    secret: bool = False
    default: str | None = None
    pattern: str = ""
    has_lines: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What was shown, and against what: a profile never claims more than this.

    Attributes:
        real: the tool itself, as its makers give it.
        own: servers of our tests or of ours, which are no business tool.
        fake: an imitation of the tool, made from what is public about it.
        untried: what nobody has seen work.
    """

    real: str | None = None
    own: str | None = None
    fake: str | None = None
    untried: str | None = None


class AttachmentMode(StrEnum):
    """How photos go: not at all, inside the create, one call each, or their link only."""

    NONE = "none"
    INLINE = "inline"
    CALL = "call"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class AttachmentRules:
    """What the tool takes; a photo beyond it goes as a link (`AttachmentRefused`)."""

    mode: AttachmentMode = AttachmentMode.LINK
    max_count: int = 4
    max_bytes: int = 10_000_000
    media_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")


class Frame(StrEnum):
    """What positions the tool takes: degrees WGS 84, the destination's x and y, or none."""

    WGS84 = "wgs84"
    DESTINATION = "destination"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Filled:
    """The settings of one destination, defaults and secrets included.

    Attributes:
        secrets: the values to mask wherever they would show.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """The value of a setting, None when it has none."""
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Profile:
    """One checked profile.

    Attributes:
        version: of this file, for people; compared nowhere.
        tables: by name; `status_in` (the tool's word → our stage) and `status_out` (our
            stage → the tool's word) are the two that the engines know.
        reporter_fields: what may leave of the reporter unless the destination's setting
            `reporter_fields` says otherwise; nothing by default.
        engine: the block of its kind, made by that kind's reader.
    """

    name: str
    version: str
    kind: str
    title: str
    idempotency: Idempotency
    engine: Any
    documentation: str | None = None
    tried: Tried = Tried()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    tables: Mapping[str, CodeTable] = field(default_factory=dict)
    attachments: AttachmentRules = AttachmentRules()
    frame: Frame = Frame.WGS84
    reporter_fields: tuple[str, ...] = ()

    def stage_of(self, status: str) -> str | None:
        """Our stage for a status of the tool; None when unmapped: nobody guesses."""
        table = self.tables.get("status_in")
        return None if table is None else table.find(status)
