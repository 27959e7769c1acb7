"""Reading one table of a declared file (jurisdiction, profile): every fault is noted.

Plain code rather than a schema library, because here types are strict (TOML has
them), one pass must also report what contradicts something elsewhere in the
file, and every sentence is French and names the key as the author wrote it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from tomllib import TOMLDecodeError
from typing import Any

#: What XML 1.0 cannot carry: these texts go out in XML answers.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_KINDS: Mapping[type, str] = {
    str: "un texte (entre guillemets)",
    int: "un nombre entier",
    bool: "true ou false",
    list: "une liste [ … ]",
    dict: "une table",
}


class Table:
    """One table of the file, read key by key.

    Args:
        content: the table as the TOML reader gives it; anything else is a fault.
        where: dotted path of the table, empty for the file itself.
        faults: where each fault is added, as `path : sentence`.
    """

    def __init__(self, content: object, where: str, faults: list[str]) -> None:
        self.where = where
        self.faults = faults
        self._seen: set[str] = set()
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            faults.append(f"{where} : {_KINDS[dict]} est attendue.")

    @property
    def keys(self) -> list[str]:
        """The keys as they stand, for a table whose keys are the author's own."""
        return list(self._content)

    def path(self, key: str) -> str:
        """Dotted path of one key of this table; of the table itself without a key."""
        return ".".join(part for part in (self.where, key) if part)

    def fault(self, key: str, sentence: str) -> None:
        """Note one fault at one key."""
        self.faults.append(f"{self.path(key)} : {sentence}")

    def raw(self, key: str) -> Any:
        """The value of a key as it stands, None when absent."""
        self._seen.add(key)
        return self._content.get(key)

    def _typed(self, key: str, kind: type, *, required: bool) -> Any:
        value = self.raw(key)
        if value is None:
            if required:
                self.fault(key, "clé obligatoire, absente.")
            return None
        # `type() is`, since for Python true is also the number 1.
        if type(value) is not kind:
            self.fault(key, f"{_KINDS[kind]} est attendu{'e' if kind in (list, dict) else ''}.")
            return None
        return value

    def text(
        self,
        key: str,
        *,
        required: bool = False,
        pattern: str = "",
        told: str = "",
        limit: int = 1000,
    ) -> str | None:
        """A text without blank ends, in NFC; `told` says what `pattern` wants."""
        return self.clean(key, self._typed(key, str, required=required), pattern, told, limit)

    def clean(
        self, key: str, value: str | None, pattern: str = "", told: str = "", limit: int = 1000
    ) -> str | None:
        """Check one text found at `key` (or below it), and normalise it."""
        if value is None:
            return None
        text = unicodedata.normalize("NFC", value).strip()
        if not text:
            self.fault(key, "ce texte est vide.")
        elif _ILLEGAL.search(text):
            self.fault(key, "ce texte contient un caractère de contrôle, interdit en XML.")
        elif len(text) > limit:
            self.fault(key, f"{len(text)} caractères, {limit} au plus sont admis.")
        elif pattern and not re.fullmatch(pattern, text):
            self.fault(key, f"« {text[:60]} » ne convient pas : {told}.")
        else:
            return text
        return None

    def flag(self, key: str) -> bool | None:
        """A boolean, None when absent."""
        value: bool | None = self._typed(key, bool, required=False)
        return value

    def whole(self, key: str, low: int, high: int, *, required: bool = False) -> int | None:
        """A whole number between two bounds, both allowed."""
        value: int | None = self._typed(key, int, required=required)
        if value is not None and not low <= value <= high:
            wanted = f"un nombre entre {low} et {high}" if low < high else str(low)
            self.fault(key, f"{wanted} est attendu.")
            return None
        return value

    def choice(self, key: str, choices: Collection[str], *, required: bool = False) -> str | None:
        """One word of a closed list."""
        value: str | None = self._typed(key, str, required=required)
        if value is not None and value not in choices:
            hint = suggestion(value, choices)
            self.fault(
                key, f"« {value[:60]} » ne convient pas{hint} ; admis : {', '.join(choices)}."
            )
            return None
        return value

    def texts(self, key: str, *, limit: int = 200) -> list[str]:
        """A list of texts; empty when absent."""
        items = self._typed(key, list, required=False) or []
        read = [self._item(key, at, item, limit) for at, item in enumerate(items)]
        return [text for text in read if text is not None]

    def _item(self, key: str, at: int, item: object, limit: int) -> str | None:
        if isinstance(item, str):
            return self.clean(f"{key}[{at}]", item, limit=limit)
        self.fault(f"{key}[{at}]", f"{_KINDS[str]} est attendu.")
        return None

    def table(self, key: str) -> Table | None:
        """A table inside this one, which must be there."""
        value = self._typed(key, dict, required=True)
        return None if value is None else Table(value, self.path(key), self.faults)

    def tables(self, key: str, *, required: bool = False) -> list[Table]:
        """The tables of a list (`[[key]]` in TOML); empty when absent."""
        items = self._typed(key, list, required=required) or []
        return [
            Table(item, f"{self.path(key)}[{at}]", self.faults) for at, item in enumerate(items)
        ]

    def close(self) -> None:
        """Refuse the keys that nobody read: a misspelt key must not be silent."""
        for key in self._content:
            if key not in self._seen:
                self.fault(key, f"clé inconnue{suggestion(key, self._seen)}.")


def suggestion(word: str, known: Collection[str]) -> str:
    """What the author may have meant, in brackets; empty if nothing is close."""
    close = get_close_matches(word, sorted(known), n=1)
    return f" (vouliez-vous dire « {close[0]} » ?)" if close else ""


def refuse_twins(tables: list[Table], key: str, values: list[str | None]) -> None:
    """Note a fault where a value that must be unique comes back."""
    first: dict[str, str] = {}
    for table, value in zip(tables, values, strict=True):
        if value is None:
            continue
        if value in first:
            table.fault(key, f"« {value} » est déjà pris par {first[value]}.")
        first.setdefault(value, table.where)


def toml_sentence(error: TOMLDecodeError) -> str:
    """Where a file stops being TOML, in French; then what the reader itself says of it."""
    said = str(error)
    at = re.search(r" \(at line ([0-9]+), column ([0-9]+)\)$", said)
    where = f"ligne {at[1]}, colonne {at[2]}" if at else "à sa fin"
    detail = said[: at.start()] if at else said.removesuffix(" (at end of document)")
    return (
        f"TOML illisible {where} : chaque ligne s'écrit « clé = valeur » ou « [table] », "
        f"et un texte se met entre guillemets. Détail : {detail}."
    )
