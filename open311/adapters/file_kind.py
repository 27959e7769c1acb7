"""Profiles of kind `folder` and `sftp`: reading their blocks, making their adapters."""

from __future__ import annotations

import codecs
from pathlib import Path

from open311.adapters.destination_settings import reporter_fields
from open311.adapters.file_drop import DroppedFile, FileDrop, FileDropAdapter
from open311.adapters.file_places import FilePlaces, FolderPlaces
from open311.adapters.file_records import CsvShape, XmlShape
from open311.adapters.profile import Filled, Profile, ProfileFaults, Setting, Template
from open311.adapters.profile_fields import Known, read_fields, read_template
from open311.adapters.profile_file import Kind, optional_table
from open311.adapters.return_files import ReturnShape
from open311.adapters.vocabulary import NOTE_NAMES
from open311.adapters.wire_connection import Door
from open311.domain.checked_table import Table
from open311.domain.delivery import Destination, Idempotency

_PHOTO_NAMES = frozenset({"file.name", "file.number"})
#: What a name that is looked up may be made of: all that is known of a lost delivery.
_LOOKED_UP = frozenset({"key", "service_request_id"})
_FOLDER = r"(?!/)(?!.*\.\.)[\w./ -]+"
_FOLDER_TOLD = "un dossier sous la racine, sans « .. »"
#: For its defaults.
_RETURNS = ReturnShape(folder="", pattern="", id_column="")
_LINE_ENDS = {"crlf": "\r\n", "lf": "\n"}

_FOLDER_SETTINGS = {
    "root": Setting("dossier racine (chemin absolu)", required=True, pattern=r"/.*"),
}
_SFTP_SETTINGS = {
    "host": Setting("serveur SFTP", required=True),
    "port": Setting("port SFTP", default="22", pattern=r"[1-9][0-9]{0,4}"),
    "user": Setting("compte SFTP", required=True),
    "host_key": Setting(
        "clé du serveur (ssh-ed25519 AAAA…) ou son empreinte (SHA256:…)",
        required=True,
        pattern=r"SHA256:[A-Za-z0-9+/]{43}=?|(ssh|ecdsa)-\S+ \S+( .*)?",
    ),
    "root": Setting("dossier racine sur le serveur", default="."),
    "password": Setting("mot de passe du compte SFTP", secret=True),
    "private_key": Setting("clé privée SSH, au format OpenSSH ou PEM", secret=True, has_lines=True),
    "read_timeout_s": Setting(
        "secondes d'attente d'une réponse du serveur",
        default="30",
        pattern=r"\d{1,3}(\.\d+)?",
    ),
}


def _read(table: Table, known: Known) -> FileDrop | None:
    """The block `[file]`, and `[note]`, `[photos]`, `[returns]` where the tool has them."""
    file = table.table("file")
    create, note = table.table("create"), optional_table(table, "note")
    photos, returns = optional_table(table, "photos"), optional_table(table, "returns")
    if file is None or create is None:
        return None
    drop = FileDrop(
        shape=_shape(file),
        encoding=_encoding(file) or "utf-8",
        folder=_folder(file, "folder"),
        archives=_archives(file),
        marker=file.text("marker") or "",
        create=_dropped(create, known),
        note=None if note is None else _dropped(note, known.plus(NOTE_NAMES)),
        photo_name=None if photos is None else _photo_name(photos, known),
        returns=None if returns is None else _returns(returns),
    )
    file.close()
    _check_lookup(table, drop)
    return drop


def _shape(file: Table) -> CsvShape | XmlShape:
    """Keys of the other type may stay: a profile that extends this one changes the type."""
    is_xml = file.choice("type", ("csv", "xml"), required=True) == "xml"
    root, record = (file.text(key, required=is_xml) for key in ("xml_root", "xml_record"))
    header, quote = file.flag("header"), file.flag("quote_all")
    csv = CsvShape(
        columns=(),
        delimiter=file.text("delimiter", pattern=".", told="un seul caractère") or ";",
        header=header is not False,
        quote_all=quote is not False,
        line_end=_LINE_ENDS[file.choice("line_end", list(_LINE_ENDS)) or "crlf"],
        guard_formulas=file.flag("guard_formulas") is not False,
    )
    return XmlShape(root or "", record or "") if is_xml else csv


def _encoding(table: Table) -> str | None:
    name = table.text("encoding")
    if name is None:
        return None
    try:
        codecs.lookup(name)
    except LookupError:
        table.fault("encoding", f"« {name} » n'est pas un encodage (utf-8, utf-8-sig, cp1252…).")
        return None
    return name


def _folder(table: Table, key: str) -> str:
    return table.text(key, pattern=_FOLDER, told=_FOLDER_TOLD) or "."


def _archives(file: Table) -> tuple[str, ...]:
    folders = file.texts("archives")
    checked = [
        file.clean(f"archives[{at}]", each, _FOLDER, _FOLDER_TOLD)
        for at, each in enumerate(folders)
    ]
    return tuple(each for each in checked if each is not None)


def _dropped(table: Table, known: Known) -> DroppedFile:
    name = read_template(table, "name", known, required=True)
    dropped = DroppedFile(name or Template(("",)), read_fields(table, "fields", known))
    if not dropped.fields:
        table.fault("fields", "aucun champ : le fichier serait vide.")
    table.close()
    return dropped


def _photo_name(table: Table, known: Known) -> Template | None:
    name = read_template(table, "name", known.plus(_PHOTO_NAMES), required=True)
    if name is not None and not _PHOTO_NAMES & set(name.names):
        table.fault("name", "il faut {file.name} ou {file.number}, sinon les photos s'écrasent.")
    table.close()
    return name


def _returns(table: Table) -> ReturnShape:
    columns = {
        column: table.text(column) or ""
        for column in ("number_column", "status_column", "date_column", "note_column")
    }
    shape = ReturnShape(
        folder=_folder(table, "folder"),
        pattern=table.text("pattern", required=True) or "",
        id_column=table.text("id_column", required=True) or "",
        **columns,
        date_format=table.text("date_format") or _RETURNS.date_format,
        timezone=table.text("timezone") or _RETURNS.timezone,
        encoding=_encoding(table) or _RETURNS.encoding,
        delimiter=table.text("delimiter", pattern=".", told="un seul caractère") or ";",
        marker=table.text("marker") or "",
    )
    table.close()
    return shape


def _check_lookup(table: Table, drop: FileDrop) -> None:
    """A name that must be found again is made of what survives: the key and the number."""
    if table.raw("idempotency") != Idempotency.LOOKUP:
        return
    names = {name for name in drop.create.name.names if not name.startswith("settings.")}
    other = names - _LOOKED_UP
    if other:
        table.fault(
            "create.name",
            f'avec idempotency = "lookup", le nom ne peut pas contenir {", ".join(other)}.',
        )


def _make_folder(profile: Profile, destination: Destination, filled: Filled) -> FileDropAdapter:
    del destination
    return _adapter(profile, filled, FolderPlaces(Path(filled.values["root"])))


def _make_sftp(profile: Profile, destination: Destination, filled: Filled) -> FileDropAdapter:
    # paramiko is an extra: who drops files in a folder does without.
    from open311.adapters.sftp_places import SftpPlaces, SftpServer  # noqa: PLC0415

    values = filled.values
    if not (filled.get("password") or filled.get("private_key")):
        raise ProfileFaults(
            f"destination {destination.name}",
            ["secrets : il faut « password » ou « private_key »."],
        )
    server = SftpServer(
        host=values["host"],
        port=int(values["port"]),
        user=values["user"],
        host_key=values["host_key"],
        folder=values["root"],
        password=filled.get("password"),
        private_key=filled.get("private_key"),
        timeout_s=float(values["read_timeout_s"]),
    )
    return _adapter(profile, filled, SftpPlaces(server, Door(destination.allowed_networks)))


def _adapter(profile: Profile, filled: Filled, places: FilePlaces) -> FileDropAdapter:
    return FileDropAdapter(
        profile, filled, places, reporter_fields=reporter_fields(profile, filled)
    )


FOLDER = Kind(read=_read, make=_make_folder, settings=_FOLDER_SETTINGS)
SFTP = Kind(read=_read, make=_make_sftp, settings=_SFTP_SETTINGS)
