"""open311 adapter: the profiles of business tools, checked, tried dry, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import click

from open311.adapters.coverage import Gap, service_gaps, stage_gaps, unreachable_stages
from open311.adapters.profile import Profile, ProfileFaults
from open311.adapters.profile_file import shipped_profiles
from open311.adapters.registry import coded_adapters, profile_faults, read_profile
from open311.adapters.rehearsal import rehearsing_adapter
from open311.cli.site import find_side, open_installation
from open311.cli.teaching import TeachingGroup
from open311.domain.delivery import Destination
from open311.domain.errors import InvalidRequest, NotFound, Open311Error
from open311.operations.dry_run import preview_create
from open311.operations.installation import Side


@click.group(cls=TeachingGroup)
def adapter() -> None:
    """Vérifier les profils d'outils métier, les essayer à blanc, voir ce qui leur manque.

    Un profil est un fichier TOML, sans code ; docs/adapters.md dit comment l'écrire.
    """


@adapter.command(name="list")
def list_() -> None:
    """Lister les profils livrés et les adaptateurs installés.

    open311 adapter list
    """
    for name in shipped_profiles():
        profile = read_profile(name, to_show=True)
        grade = f"{profile.kind}, {profile.idempotency}"
        click.echo(f"{name:<20} {grade:<18} {profile.title:<28} {_shown_against(profile)}")
    for name in coded_adapters():
        click.echo(f"{name:<20} code")


@adapter.command()
@click.argument("source", metavar="PROFIL")
def show(source: str) -> None:
    """Dire d'un profil ce qu'il demande, ce qu'il sait faire et ce qui a été essayé.

    open311 adapter show redmine

    open311 adapter show ./gentilly-atal.toml
    """
    profile = read_profile(source, to_show=True)
    for line in _description(profile):
        click.echo(line)


@adapter.command()
@click.argument("sources", nargs=-1, required=True, metavar="FICHIER…")
def check(sources: tuple[str, ...]) -> None:
    """Vérifier des profils : toutes les fautes à la fois, chacune avec sa clé.

    open311 adapter check ./gentilly-atal.toml
    """
    faulty = []
    for source in sources:
        try:
            profile = read_profile(source)
        except ProfileFaults as faults:
            faulty.append(faults.message)
        else:
            click.echo(f"{source} : {profile.title}, version {profile.version}, aucune faute.")
    if faulty:
        raise Open311Error("\n".join(faulty))


@adapter.command(name="dry-run")
@click.argument("source", metavar="PROFIL")
@click.option("--request", "id_", type=int, required=True, metavar="NUMÉRO", help="La demande.")
@click.option("--destination", "name", metavar="NOM", help="Celle dont prendre les réglages.")
@click.option("--set", "settings", multiple=True, metavar="NOM=VALEUR", help="Un réglage.")
@click.option("--jurisdiction", "jurisdiction_id", metavar="ID", help="Si plusieurs sont servies.")
def dry_run(
    source: str, id_: int, name: str | None, settings: tuple[str, ...], jurisdiction_id: str | None
) -> None:
    """Écrire exactement ce qui partirait pour une demande, sans rien envoyer.

    Les secrets ne sont pas lus : des points les remplacent. Ce que seul l'outil peut
    dire (un identifiant, un jeton) est entre ‹ ›. Les réglages viennent de la
    destination qui emploie ce profil, de --destination, ou de --set.

        open311 adapter dry-run ./gentilly-atal.toml --request 12
    """
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=False)
        destination = _destination(side, source, name, settings)
        rehearsing = rehearsing_adapter(destination)
        try:
            shown = preview_create(here, side, destination, rehearsing, id_, here.now())
        finally:
            rehearsing.close()
    click.echo(shown)


@adapter.command()
@click.option("--jurisdiction", "jurisdiction_id", metavar="ID", help="Si plusieurs sont servies.")
def coverage(jurisdiction_id: str | None) -> None:
    """Dire, pour chaque destination, les services et les statuts sans correspondance.

    open311 adapter coverage
    """
    with open_installation() as here:
        side = find_side(here, jurisdiction_id, test=False)
        for destination in side.jurisdiction.destinations:
            click.echo(f"{destination.name} ({destination.profile}) :")
            for line in _coverage(side, destination):
                click.echo(f"  {line}")


def _destination(
    side: Side, source: str, name: str | None, settings: tuple[str, ...]
) -> Destination:
    """The destination whose settings serve, with this profile and what --set adds."""
    declared = {each.name: each for each in side.jurisdiction.destinations}
    if name is not None and name not in declared:
        told = ", ".join(declared) or "aucune"
        raise NotFound(f"La destination « {name} » n'existe pas ; déclarées : {told}.")
    users = [each for each in declared.values() if each.profile == source]
    base = declared[name] if name else (users or [Destination("essai", source)])[0]
    given = dict(_setting(each) for each in settings)
    return replace(base, profile=source, settings={**base.settings, **given})


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"--set {text} : NOM=VALEUR est attendu.")
    return name, value


def _shown_against(profile: Profile) -> str:
    """What a profile was shown against, in a few words."""
    tried = profile.tried
    told = {
        "essayé sur l'outil réel": tried.real,
        "essayé sur nos serveurs d'essai": tried.own,
        "imitation seulement": tried.fake,
    }
    if profile_faults(profile.name):
        return "gabarit, à compléter"
    return next((words for words, what in told.items() if what), "pas essayé")


def _description(profile: Profile) -> Iterator[str]:
    yield f"{profile.name} {profile.version} : {profile.title} ({profile.kind})"
    yield f"  contre les doubles : {profile.idempotency}"
    yield f"  photos : {profile.attachments.mode} ; position : {profile.frame}"
    yield f"  du déclarant : {', '.join(profile.reporter_fields) or 'rien'}"
    tried = profile.tried
    told = {
        "outil réel": tried.real,
        "nos serveurs d'essai": tried.own,
        "imitation": tried.fake,
        "pas essayé": tried.untried,
    }
    for label, text in told.items():
        if text:
            yield f"  {label} : {' '.join(text.split())}"
    for name, setting in profile.settings.items():
        kind = "secret" if setting.secret else "réglage"
        must = ", obligatoire" if setting.required else ""
        yield f"  {kind} {name}{must} : {setting.label}"
    for name, table in profile.tables.items():
        rest = f"défaut {table.default}" if table.default is not None else "sans défaut"
        yield f"  table {name} : {len(table.values)} lignes, {rest}"


def _coverage(side: Side, destination: Destination) -> Iterator[str]:
    if destination.profile in coded_adapters():
        yield "adaptateur en code : rien à vérifier ici."
        return
    profile = read_profile(destination.profile)
    offered = [code for code, each in side.jurisdiction.services.items() if not each.withdrawn]
    codes = [code for code in offered if not destination.services or code in destination.services]
    gaps = service_gaps(profile, codes)
    for gap in gaps:
        yield f"service {_told(gap)}"
    for gap in stage_gaps(profile):
        yield f"étape {_told(gap)}"
    unreached = unreachable_stages(profile)
    if unreached:
        yield f"aucun statut de l'outil ne mène à : {', '.join(unreached)}"
    if not gaps:
        yield f"{len(codes)} services, tous ont leur correspondance."


def _told(gap: Gap) -> str:
    what = f"défaut « {gap.default} »" if gap.default is not None else "refusé"
    return f"{gap.word} : absent de la table {gap.table}, {what}"
