"""Reading a profile file: TOML, checked whole, every fault at once with its dotted key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from open311.adapters.contract import Adapter
from open311.adapters.hook_schemes import HOOK_SETTINGS
from open311.adapters.profile import (
    AttachmentMode,
    AttachmentRules,
    CodeTable,
    Filled,
    Frame,
    Profile,
    ProfileFaults,
    Setting,
    Tried,
)
from open311.adapters.profile_fields import Known
from open311.adapters.vocabulary import REPORTER_FIELDS
from open311.domain.checked_table import Table, suggestion, toml_sentence
from open311.domain.delivery import Destination, Idempotency
from open311.domain.status import Stage
from open311.domain.system_reasons import reason_of

SHIPPED = files("open311.adapters") / "profiles"
#: The language of profiles that this program reads.
FORMAT = 1
_NAME = r"[a-z0-9][a-z0-9.-]{0,63}"
_SETTING = r"[a-z][a-z0-9_]{0,63}"
_MAX_ANCESTORS = 3
_FOR_UNKNOWN_WORDS = {"default", "unknown"}
_TRIED = ("real", "own", "fake", "untried")
#: What a template says wherever its tool's integrator must speak first.
_TO_COMPLETE = re.compile("[AÀ] COMPL[EÉ]TER")


@dataclass(frozen=True, slots=True)
class Kind:
    """One engine, as the registry knows it.

    Attributes:
        read: reads the blocks of its own in a profile file (second argument: what they
            may refer to); faults go to the table's list.
        make: the adapter of one destination.
        settings: what every destination of this kind may set, beside the profile's own.
    """

    read: Callable[[Table, Known], Any]
    make: Callable[[Profile, Destination, Filled], Adapter]
    settings: Mapping[str, Setting] = field(default_factory=dict)


#: What a destination of any kind may set.
COMMON_SETTINGS: Mapping[str, Setting] = {
    "own_account": Setting("nom de notre compte dans l'outil : ses changements sont nos échos"),
    "reporter_fields": Setting(
        "ce qui peut partir du déclarant, séparé par des virgules",
        pattern=r"|(email|first_name|last_name|phone)(, ?(email|first_name|last_name|phone))*",
    ),
    **HOOK_SETTINGS,
}


def shipped_profiles() -> list[str]:
    """The names of the profiles that come with the server."""
    return sorted(each.name.removesuffix(".toml") for each in SHIPPED.iterdir())


def read_profile(source: str, kinds: Mapping[str, Kind], *, to_show: bool = False) -> Profile:
    """Read and check one profile.

    Args:
        source: name of a shipped profile, or path of a file (ends in `.toml`).
        kinds: the engines, by name.
        to_show: a template may have its « A COMPLETER »: it is looked at, not used.

    Raises:
        ProfileFaults: all faults at once.
    """
    content = _content(source)
    faults = [] if to_show else list(_to_complete(content))
    profile = _profile(Table(content, "", faults), kinds)
    if faults or profile is None:
        raise ProfileFaults(source, faults)
    return profile


def _to_complete(node: object, where: str = "") -> Iterator[str]:
    """A fault for every place that still says « A COMPLETER », value or key."""
    if isinstance(node, str) and _TO_COMPLETE.search(node):
        yield f"{where} : à compléter avec l'intégrateur : ce gabarit ne peut pas servir tel quel."
    inner = node.items() if isinstance(node, dict) else ()
    listed = enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        path = f"{where}.{key}".strip(".")
        yield from _to_complete(key, path)
        yield from _to_complete(value, path)
    for at, value in listed:
        yield from _to_complete(value, f"{where}[{at}]")


def _content(source: str, depth: int = 0) -> dict[str, Any]:
    """What the file says, on top of what the profile it extends says."""
    content = _toml(source)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str) or depth == _MAX_ANCESTORS:
        raise ProfileFaults(
            source, [f"extends : le nom d'un profil, {_MAX_ANCESTORS} niveaux au plus."]
        )
    if parent.endswith(".toml"):
        parent = str(Path(source).parent / parent)
    _check_parent(source, parent)
    below = _content(parent, depth + 1)
    if "tried" in content:
        below.pop("tried", None)  # what was shown of the one is not shown of the other
    _settle_defaults(below, content)
    return _merged(below, content)


def _settle_defaults(below: dict[str, Any], above: dict[str, Any]) -> None:
    """A table that says what becomes of unknown words unsays what its parent said of them."""
    ours, theirs = above.get("tables"), below.get("tables")
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return
    for name, table in ours.items():
        if isinstance(table, dict) and _FOR_UNKNOWN_WORDS & table.keys() and name in theirs:
            theirs[name] = {k: v for k, v in theirs[name].items() if k not in _FOR_UNKNOWN_WORDS}


def _check_parent(source: str, parent: str) -> None:
    """Blame the file that names a profile which is not there, not the one that is not there."""
    if parent.endswith(".toml"):
        if not Path(parent).is_file():
            raise ProfileFaults(source, [f"extends : le fichier « {parent} » n'existe pas."])
    elif parent not in shipped_profiles():
        hint = suggestion(parent, shipped_profiles())
        fault = f"« {parent} » n'est pas un profil livré{hint} ; un fichier finit par .toml."
        raise ProfileFaults(source, [f"extends : {fault}"])


def _toml(source: str) -> dict[str, Any]:
    path = Path(source) if source.endswith(".toml") else SHIPPED / f"{source}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fault = f"profil introuvable{suggestion(source, shipped_profiles())}."
    except OSError as error:
        fault = f"le fichier ne peut pas être lu ({reason_of(error)})."
    except UnicodeDecodeError as error:
        fault = f"le fichier n'est pas en UTF-8 (octet {error.start})."
    except tomllib.TOMLDecodeError as error:
        fault = toml_sentence(error)
    except RecursionError:
        fault = "TOML illisible : des listes trop imbriquées."
    raise ProfileFaults(source, [fault])


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; lists and values of `above` replace those below."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)  # noqa: PLW2901
        merged[key] = value
    return merged


def _profile(table: Table, kinds: Mapping[str, Kind]) -> Profile | None:
    table.whole("format", FORMAT, FORMAT, required=True)
    kind = table.choice("kind", list(kinds), required=True)
    name = table.text(
        "name", required=True, pattern=_NAME, told="minuscules, chiffres, « . » ou « - »"
    )
    settings = _settings(table)
    tables = _code_tables(table)
    if kind is None:
        return None
    resolves = table.raw("resolve")
    known = Known(
        settings={*settings, *COMMON_SETTINGS, *kinds[kind].settings},
        tables=tables,
        resolves=resolves if isinstance(resolves, dict) else (),
    )
    profile = Profile(
        name=name or "",
        version=table.text("version", required=True, limit=40) or "",
        kind=kind,
        title=table.text("title", required=True, limit=200) or "",
        idempotency=Idempotency(
            table.choice("idempotency", list(Idempotency), required=True) or Idempotency.NONE
        ),
        documentation=table.text("documentation"),
        tried=_tried(table),
        settings=settings,
        tables=tables,
        attachments=_attachments(table),
        frame=Frame(table.choice("frame", list(Frame)) or Frame.WGS84),
        reporter_fields=_reporter_fields(table),
        engine=kinds[kind].read(table, known),
    )
    table.close()
    return profile


def subtables(table: Table, key: str) -> dict[str, Table]:
    """The tables inside the table `key`, by name; none when it is absent."""
    if table.raw(key) is None:
        return {}
    inner = table.table(key)
    names = table.raw(key) if inner is not None else {}
    return {name: each for name in names if inner and (each := inner.table(name)) is not None}


def optional_table(table: Table, key: str) -> Table | None:
    """A table that may be absent."""
    return None if table.raw(key) is None else table.table(key)


def _settings(table: Table) -> dict[str, Setting]:
    read = {}
    for name, each in subtables(table, "settings").items():
        each.clean("", name, _SETTING, "minuscules, chiffres et « _ », une lettre d'abord")
        read[name] = Setting(
            label=each.text("label", required=True) or "",
            required=bool(each.flag("required")),
            secret=bool(each.flag("secret")),
            default=each.text("default"),
            pattern=each.text("pattern") or "",
        )
        if read[name].secret and read[name].default is not None:
            each.fault("default", "un secret n'a pas de valeur par défaut.")
        each.close()
    return read


def _tried(table: Table) -> Tried:
    inner = table.table("tried")
    if inner is None:
        return Tried()
    tried = Tried(**{key: inner.text(key, limit=2000) for key in _TRIED})
    if tried == Tried():
        table.fault("tried", f"dites ce qui a été essayé : {', '.join(_TRIED)}.")
    inner.close()
    return tried


def _code_tables(table: Table) -> dict[str, CodeTable]:
    read = {name: _code_table(each) for name, each in subtables(table, "tables").items()}
    _check_stages(table, "status_in", read)
    _check_stages(table, "status_out", read)
    return read


def _code_table(table: Table) -> CodeTable:
    values = table.raw("values")
    inner = optional_table(table, "values")
    entries = {key: inner.text(key) or "" for key in values} if inner is not None else {}
    default = table.text("default")
    on_unknown = table.choice("unknown", ("error",))
    if (default is None) == (on_unknown is None):
        table.fault("default", 'il faut « default = "…" » ou « unknown = "error" ».')
    table.close()
    return CodeTable(entries, default)


def _check_stages(table: Table, name: str, read: Mapping[str, CodeTable]) -> None:
    """Our side of the status tables is a closed list; the tool's is never guessed at."""
    if name not in read:
        return
    entries = read[name].values
    for word, value in entries.items():
        stage = value if name == "status_in" else word
        if stage not in list(Stage):
            table.fault(
                f"tables.{name}.values.{word}",
                f"« {stage} » n'est pas une étape{suggestion(stage, list(Stage))} ; "
                f"admises : {', '.join(Stage)}.",
            )
    if name == "status_in" and read[name].default is not None:
        table.fault(f"tables.{name}.default", "un statut inconnu ne se devine pas : « error ».")


def _attachments(table: Table) -> AttachmentRules:
    inner = optional_table(table, "attachments")
    if inner is None:
        return AttachmentRules()
    rules = AttachmentRules(
        mode=AttachmentMode(
            inner.choice("mode", list(AttachmentMode), required=True) or AttachmentMode.LINK
        ),
        max_count=inner.whole("max_count", 0, 100) or AttachmentRules().max_count,
        max_bytes=inner.whole("max_bytes", 1, 100_000_000) or AttachmentRules().max_bytes,
        media_types=tuple(inner.texts("media_types")) or AttachmentRules().media_types,
    )
    inner.close()
    return rules


def _reporter_fields(table: Table) -> tuple[str, ...]:
    inner = optional_table(table, "privacy")
    if inner is None:
        return ()
    allowed = inner.texts("reporter_fields")
    for at, each in enumerate(allowed):
        if each not in REPORTER_FIELDS:
            inner.fault(
                f"reporter_fields[{at}]",
                f"« {each} » n'est pas un champ du déclarant ; "
                f"admis : {', '.join(REPORTER_FIELDS)}.",
            )
    inner.close()
    return tuple(allowed)
