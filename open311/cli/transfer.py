"""open311 export and open311 import: requests in bulk."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from zoneinfo import ZoneInfo

import click

from open311.cli.progress import FileProgress, progress_bar, say
from open311.cli.refusals import Refusals, refusal_report
from open311.cli.site import find_side, open_installation
from open311.cli.teaching import TeachingCommand
from open311.domain.errors import Open311Error
from open311.domain.status import Stage
from open311.domain.system_reasons import reason_of
from open311.domain.transfer import BrokenFile
from open311.formats import bulk_csv, bulk_georeport
from open311.formats.bulk_record import RecordReading, known_status, read_record
from open311.formats.datetimes import parse_datetime
from open311.operations import transfer_export
from open311.operations.installation import Installation, Side
from open311.operations.transfer_export import Window
from open311.operations.transfer_import import Import, ImportRules, ImportTotals, Numbered
from open311.storage.transfer import count_requests

FORMATS = ("csv", "json", "xml", "geojson")
_READERS: Mapping[str, Callable[[BinaryIO], Iterator[tuple[int, dict[str, Any]]]]] = {
    "csv": bulk_csv.read_csv,
    "json": bulk_georeport.read_json,
    "geojson": bulk_georeport.read_json,
    "xml": bulk_georeport.read_xml,
}
T = TypeVar("T")

_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,24}")

_jurisdiction = click.option(
    "--jurisdiction", "-j", metavar="ID", help="Juridiction ; inutile s'il n'y en a qu'une."
)
_test = click.option("--test", is_flag=True, help="Les données de son point d'accès de test.")


@click.command(cls=TeachingCommand)
@_jurisdiction
@_test
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="csv", help="csv si rien n'est dit."
)
@click.option("--since", metavar="DATE", help="Demandes faites à partir de cette date.")
@click.option("--until", metavar="DATE", help="Demandes faites jusqu'à cette date comprise.")
@click.option("--extensions", is_flag=True, help="Avec extended_attributes (json, xml, geojson).")
@click.option("--bom", is_flag=True, help="Marque UTF-8 en tête du CSV, pour Excel.")
@click.option(
    "--internal", is_flag=True,
    help="CSV pour les agents : toutes les demandes, avec les coordonnées des usagers.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FICHIER",
    help="Fichier à écrire ; la sortie standard si rien n'est dit.",
)  # fmt: skip
def export(jurisdiction: str | None, test: bool, output: Path | None, **wanted: Any) -> None:  # noqa: FBT001
    """Exporter les demandes publiques d'une juridiction.

    Le CSV a les colonnes de GeoReport Bulk ; une cellule qu'un tableur prendrait pour
    une formule y est précédée d'une apostrophe. JSON, XML et GeoJSON sont les réponses
    publiques elles-mêmes, mises bout à bout. La mémoire utilisée ne dépend pas du nombre
    de demandes ; ce qui change pendant l'export peut y être ou non.

        open311 export -j gentilly.fr -o demandes.csv
        open311 export -j gentilly.fr --format geojson --since 2026-01-01 > carte.geojson
        open311 export -j gentilly.fr --format json --extensions | gzip > demandes.json.gz
    """
    _check_wanted(wanted)
    with open_installation() as here:
        side = find_side(here, jurisdiction, test=test)
        window = _window(side, wanted["since"], wanted["until"])
        total = (
            count_requests(here.database, side.scope)
            if wanted["internal"]
            else transfer_export.count_public(here.database, side, window)
        )
        with _written(output) as file, progress_bar("Export", total) as bar:
            for piece in _pieces(here, side, window, wanted, bar.update):
                file.write(piece)
    say(f"{total} demande(s) exportée(s){f' dans {output}' if output else ''}.")


@click.command(name="import", cls=TeachingCommand)
@click.argument("file", type=click.File("rb"), metavar="FICHIER|-")
@_jurisdiction
@_test
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), help="D'après le nom si rien n'est dit."
)
@click.option(
    "--source", metavar="NOM",
    help="D'où vient le fichier : importé deux fois, il ne compte qu'une fois.",
)  # fmt: skip
@click.option("--columns", multiple=True, metavar="COLONNE=NOM",
    help="Nom GeoReport d'une colonne du fichier ; COLONNE= l'ignore ; répétable.",
)  # fmt: skip
@click.option(
    "--map-services", type=click.File("rb"), metavar="FICHIER",
    help="CSV à deux colonnes sans titre : service du fichier, service_code d'ici.",
)  # fmt: skip
@click.option(
    "--status", "statuses", multiple=True, metavar="STATUT=ÉTAPE",
    help="Étape d'ici (received, in_progress, done…) d'un statut du fichier ; répétable.",
)  # fmt: skip
@click.option("--keep-ids", is_flag=True, help="Garder les identifiants du fichier.")
@click.option("--moderate", is_flag=True, help="Les demandes attendent d'être publiées.")
@click.option("--deliver", is_flag=True, help="Transmettre les demandes aux outils métier.")
@click.option("--dry-run", is_flag=True, help="Tout vérifier, ne rien écrire.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FICHIER",
    help="CSV des enregistrements refusés, avec le motif.",
)  # fmt: skip
def import_(jurisdiction: str | None, test: bool, **wanted: Any) -> int:  # noqa: FBT001
    r"""Importer des demandes avec leurs dates, leur statut et leur texte.

    Sont lus : nos exports, le GeoReport d'autres serveurs (JSON nu ou enveloppé, XML),
    GeoJSON, et tout CSV dont les colonnes portent les noms de GeoReport ou en reçoivent
    un par --columns. Un enregistrement refusé n'arrête pas les autres ; le code de sortie
    est alors 1. Pour déménager une installation entière, avec les historiques, les photos
    et les comptes, préférez open311 backup et open311 restore.

        open311 import demandes.csv -j gentilly.fr --dry-run --report refus.csv
        open311 import demandes.json -j gentilly.fr --source ancien-serveur
        curl https://ville.example/requests.json | open311 import - --format json -j gentilly.fr
        open311 import export.csv -j gentilly.fr --columns objet=description \
            --columns date_creation=requested_datetime --map-services services.csv
    """
    rules = _rules(wanted)
    file: BinaryIO = wanted["file"]
    format_ = wanted["format_"] or _format_of(getattr(file, "name", ""))
    with open_installation() as here, refusal_report(wanted["report"]) as refusals:
        side = find_side(here, jurisdiction, test=test)
        reading = _reading(side, wanted)
        work = Import(here, side, rules, refusals.add)
        with FileProgress(file) as progress:
            records = _records(_READERS[format_](cast("BinaryIO", progress)), reading, refusals)
            totals = work.run(records)
        say(_outcome(totals, rules))
    return 1 if totals.refused or refusals.broken else 0


def _check_wanted(wanted: Mapping[str, Any]) -> None:
    if wanted["format_"] != "csv" and (wanted["internal"] or wanted["bom"]):
        raise click.UsageError("--internal et --bom vont avec --format csv.")
    if wanted["internal"] and (wanted["since"] or wanted["until"]):
        raise click.UsageError("--internal exporte tout : sans --since ni --until.")
    if wanted["internal"]:
        say(
            "ATTENTION : ce fichier contient les noms, adresses électroniques et téléphones des "
            "usagers, et des demandes non publiées. Protégez-le et détruisez-le après usage."
        )


def _window(side: Side, since: str | None, until: str | None) -> Window:
    zone = side.jurisdiction.timezone

    def bound(text: str | None, field: str) -> datetime | None:
        last = field == "--until"
        return (text and parse_datetime(text, timezone=zone, field=field, end_of_day=last)) or None

    return Window(bound(since, "--since"), bound(until, "--until"))


def _pieces(
    here: Installation,
    side: Side,
    window: Window,
    wanted: Mapping[str, Any],
    advance: Callable[[int], None],
) -> Iterator[bytes]:
    """What is to be written, in order."""
    database, format_ = here.database, wanted["format_"]
    if format_ == "csv":
        yield bulk_csv.BOM if wanted["bom"] else b""
    if wanted["internal"]:
        yield bulk_csv.write_rows([bulk_csv.INTERNAL_COLUMNS])
        for stored in _counted(transfer_export.export_stored(database, side), advance):
            yield bulk_csv.write_rows(bulk_csv.internal_row(*each) for each in stored)
    elif format_ == "csv":
        yield bulk_csv.write_rows([bulk_csv.BULK_COLUMNS])
        for documents in _counted(
            transfer_export.export_documents(database, side, window), advance
        ):
            yield bulk_csv.write_rows(bulk_csv.public_row(each) for each in documents)
    else:
        yield from bulk_georeport.join_lists(
            format_,
            transfer_export.export_lists(
                database, side, window, format_, extensions=wanted["extensions"], advance=advance
            ),
        )


def _counted(steps: Iterable[list[T]], advance: Callable[[int], None]) -> Iterator[list[T]]:
    for step in steps:
        yield step
        advance(len(step))


@contextmanager
def _written(output: Path | None) -> Iterator[BinaryIO]:
    """Where an export goes; a file has its name only once it is whole."""
    if output is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # `| head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise Open311Error(f"{output} : écriture impossible ({reason_of(error)}).") from error
    finally:
        part.unlink(missing_ok=True)


def _rules(wanted: Mapping[str, Any]) -> ImportRules:
    source = wanted["source"]
    if source is not None and not _SOURCE.fullmatch(source):
        raise click.UsageError(
            "--source : un nom court, en minuscules, chiffres, points et tirets (25 au plus)."
        )
    names = ("keep_ids", "deliver", "moderate", "dry_run")
    return ImportRules(source=source, **{name: wanted[name] for name in names})


def _format_of(name: str) -> str:
    suffix = Path(name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise click.UsageError(f"Précisez --format ({', '.join(FORMATS)}).")
    return suffix


def _reading(side: Side, wanted: Mapping[str, Any]) -> RecordReading:
    zone: ZoneInfo = side.jurisdiction.timezone
    return RecordReading(
        timezone=zone,
        columns=dict(_pair(each, "--columns") for each in wanted["columns"]),
        services=_service_map(side, wanted["map_services"]),
        statuses=dict(_status(each) for each in wanted["statuses"]),
    )


def _pair(text: str, option: str) -> tuple[str, str]:
    theirs, equals, ours = text.partition("=")
    if not equals or not theirs:
        raise click.UsageError(f"{option} : écrivez NOM_DU_FICHIER=NOM, pas « {text} ».")
    return theirs.strip(), ours.strip()


def _status(text: str) -> tuple[str, Stage]:
    theirs, ours = _pair(text, "--status")
    if ours not in set(Stage):
        known = ", ".join(Stage)
        raise click.UsageError(f"--status : « {ours} » n'est pas une étape ; étapes : {known}.")
    return known_status(theirs), Stage(ours)


def _service_map(side: Side, file: BinaryIO | None) -> dict[str, str]:
    if file is None:
        return {}
    text = io.StringIO(file.read().decode("utf-8-sig", errors="replace"))
    rows = csv.reader(text, delimiter=";" if ";" in text.readline() else ",")
    text.seek(0)
    mapped = {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}
    unknown = sorted(set(mapped.values()) - set(side.jurisdiction.services))
    if unknown or not mapped:
        raise Open311Error(
            "--map-services : deux colonnes sont attendues, service du fichier puis service_code "
            f"d'ici. Inconnus ici : {', '.join(unknown) or 'aucun'}."
        )
    return mapped


def _records(
    raw: Iterable[tuple[int, dict[str, Any]]], reading: RecordReading, refusals: Refusals
) -> Iterator[Numbered]:
    """Each record read, or why it cannot be; a broken file ends the import, told."""
    try:
        for number, record in raw:
            try:
                yield number, read_record(record, reading)
            except Open311Error as error:
                yield number, error
    except BrokenFile as error:
        refusals.end(error)


def _outcome(totals: ImportTotals, rules: ImportRules) -> str:
    done = "seraient importées" if rules.dry_run else "importées"
    return (
        f"Demandes {done} : {totals.imported} ; déjà présentes : {totals.already} ; "
        f"refusées : {totals.refused}."
    )
