"""What agents may see of an exchange: secrets and persons are masked, photos shortened."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import cache
from html.entities import codepoint2name

MASK = "•••"
#: Shorter values would blot out ordinary words.
_SHORTEST = 3
_SHOWN = 4000
#: From here on, a run of base64 is a photo.
_LONG = 200
#: How much further than is shown to look: photos, long before they are masked, shrink.
_ROOM = 100_000
_RUN = r"[A-Za-z0-9+/]{%d,}={0,2}"
_BASE64 = re.compile(rf"[A-Za-z0-9+/]*‹(\d+)›[A-Za-z0-9+/]*={{0,2}}|{_RUN % _LONG}")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd][^\n]*")
#: The longest that a writer makes of one character: `&#x1F600;`, `%F0%9F%98%80`, two `\uXXXX`.
_WIDEST = 12
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"}
)
_JSON_SHORT = {'"': r"\"", "\\": r"\\", "/": r"\/", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


class Masker:
    """Replaces known values, however a request or an answer writes them.

    As they are, in JSON, in XML or HTML, in an address or a form, in Basic; the mixtures
    too, since every writer escapes other characters.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._values: set[str] = set()
        self.add(*values)

    def add(self, *values: str) -> None:
        """Mask these too from now on (tokens that a login gave)."""
        self._values |= {each for each in values if len(each) >= _SHORTEST}
        encoded = {base64.b64encode(each.encode()).decode("ascii") for each in self._values}
        longest_first = sorted(self._values | encoded, key=lambda each: (-len(each), each))
        pattern = "|".join("".join(map(_written, each)) for each in longest_first)
        self._pattern = re.compile(pattern) if pattern else None

    def plus(self, values: Iterable[str]) -> Masker:
        """A masker that hides these values as well, for one exchange."""
        return Masker({*self._values, *values})

    def __call__(self, text: str) -> str:
        """The text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    @property
    def reach(self) -> int:
        """The most characters that one value may take."""
        return _WIDEST * max(map(len, self._values), default=0)


@cache
def _written(character: str) -> str:
    """A regular expression of every way to write one character."""
    code = ord(character)
    ways = {re.escape(character), f"&#0*{code};", f"&#[xX]0*{_any_case(f'{code:x}')};"}
    ways.add("".join(f"%{_any_case(f'{each:02x}')}" for each in character.encode()))
    if character in _JSON_SHORT:
        ways.add(re.escape(_JSON_SHORT[character]))
    in_utf_16 = character.encode("utf-16-be", "surrogatepass").hex()
    units = [in_utf_16[at : at + 4] for at in range(0, len(in_utf_16), 4)]
    ways.add("".join(rf"\\u{_any_case(unit)}" for unit in units))
    if code in codepoint2name or character == "'":
        ways.add(f"&{codepoint2name.get(code, 'apos')};")
    if character == " ":
        ways.add(r"\+")
    return f"(?:{'|'.join(sorted(ways))})"


def _any_case(digits: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in digits)


def shown_headers(headers: Iterable[tuple[str, str]], secret: Iterable[str] = ()) -> list[str]:
    """Headers as lines, those that carry secrets masked whole."""
    hidden = _SECRET_HEADERS | {each.lower() for each in secret}
    return [f"{name}: {MASK if name.lower() in hidden else value}" for name, value in headers]


def shown_body(body: bytes | str | None, masker: Masker, limit: int = _SHOWN) -> str:
    """A body as readable text, values masked before it is cut; photos become their size."""
    if not body:
        return ""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    length = len(text)
    text = re.sub(r"(‹octets›\n?)+", "‹octets›\n", _UNPRINTABLE.sub("‹octets›", text))
    text = _BASE64.sub(_its_size, _masked_beginning(_slimmed(text, masker.reach), masker, limit))
    return text if len(text) <= limit else f"{text[:limit]}… ({length} caractères)"


def _slimmed(text: str, reach: int) -> str:
    """Photos with their size for a middle, so that there is little to look through.

    Their ends stay: a value that touches a photo must be seen whole to be masked.
    """
    long_run = re.compile(_RUN % (2 * reach + _LONG))
    ends = reach + 1
    return long_run.sub(lambda run: f"{run[0][:ends]}‹{len(run[0])}›{run[0][-ends:]}", text)


def _masked_beginning(text: str, masker: Masker, limit: int) -> str:
    """Enough of a text to show, masked, without a value that the cut would halve."""
    if len(text) <= limit + _ROOM:
        return masker(text)
    beginning = masker(text[: limit + _ROOM])
    return beginning[: len(beginning) - masker.reach]


def _its_size(found: re.Match[str]) -> str:
    return f"‹{found[1] or len(found[0])} caractères en base64›"
