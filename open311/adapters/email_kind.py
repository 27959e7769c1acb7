"""Profiles of kind `smtp`: what a destination sets to write to a mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from open311.adapters.destination_settings import reporter_fields
from open311.adapters.email_adapter import EmailAdapter, MailServer
from open311.adapters.email_message import Correspondence
from open311.adapters.imap_mailbox import ImapMailbox, ImapServer
from open311.adapters.mailbox import Mailbox, Maildir
from open311.adapters.profile import Filled, Profile, ProfileFaults, Setting
from open311.adapters.profile_fields import Known
from open311.adapters.profile_file import Kind
from open311.adapters.wire_connection import Door
from open311.domain.checked_table import Table
from open311.domain.delivery import Destination

_ADDRESS = r"[^@\s,<>]+@[^@\s,<>]+"
_NUMBER = r"[1-9][0-9]{0,4}"

_SETTINGS = {
    "host": Setting("serveur SMTP", required=True),
    "port": Setting("port SMTP", default="587", pattern=_NUMBER),
    "tls": Setting(
        "starttls, implicit, ou none (relais local)",
        default="starttls",
        pattern="starttls|implicit|none",
    ),
    "user": Setting("compte SMTP"),
    "password": Setting("mot de passe du compte SMTP", secret=True),
    "ca_file": Setting("certificats à croire au lieu de ceux du système (fichier PEM)"),
    "sender": Setting("adresse d'expéditeur", required=True, pattern=_ADDRESS),
    "recipients": Setting(
        "adresses du service, séparées par des virgules",
        required=True,
        pattern=rf"{_ADDRESS}(\s*,\s*{_ADDRESS})*",
    ),
    "links_url": Setting("adresse de ce serveur pour les agents", pattern=r"https?://\S+"),
    "link_key": Setting("clé des liens et des réponses, 32 caractères au moins", secret=True),
    "link_days": Setting("durée de vie des liens, en jours", default="60", pattern=_NUMBER),
    "reply_to": Setting("boîte qui reçoit les réponses", pattern=_ADDRESS),
    "mailbox": Setting("maildir où ces réponses arrivent (chemin absolu)", pattern=r"/.+"),
    "imap_host": Setting("serveur IMAP de cette boîte, à la place d'un maildir"),
    "imap_port": Setting("port IMAP", default="993", pattern=_NUMBER),
    "imap_tls": Setting(
        "implicit (imaps) ou starttls", default="implicit", pattern="implicit|starttls"
    ),
    "imap_user": Setting("compte IMAP"),
    "imap_password": Setting("mot de passe du compte IMAP", secret=True),
    "imap_folder": Setting(
        "dossier IMAP, lu sans rien y changer", default="INBOX", pattern=r"[ !#-\[\]-~]+"
    ),
    "imap_ca_file": Setting("comme ca_file, pour le serveur IMAP (par défaut, ca_file)"),
    "return_path": Setting(
        "adresse où reviennent les courriels refusés, lue avec les réponses "
        "(par défaut, l'expéditeur)",
        pattern=_ADDRESS,
    ),
    "read_timeout_s": Setting(
        "secondes d'attente d'une réponse du serveur SMTP",
        default="30",
        pattern=r"\d{1,3}(\.\d+)?",
    ),
    "timezone": Setting("fuseau des dates écrites", default="Europe/Paris"),
}
_MIN_KEY = 32


def _read(table: Table, known: Known) -> None:
    """The kind has no block of its own: all is said by settings."""
    del table, known


def _make(profile: Profile, destination: Destination, filled: Filled) -> EmailAdapter:
    key = filled.get("link_key")
    if key is not None and len(key) < _MIN_KEY:
        raise ProfileFaults(
            f"destination {destination.name}",
            [f"secrets.link_key : {_MIN_KEY} caractères au moins sont attendus."],
        )
    values = filled.values
    server = MailServer(
        host=values["host"],
        port=int(values["port"]),
        tls=values["tls"],
        user=filled.get("user"),
        password=filled.get("password"),
        ca_file=filled.get("ca_file"),
        timeout_s=float(values["read_timeout_s"]),
    )
    to = Correspondence(
        destination=destination.name,
        sender=values["sender"],
        recipients=tuple(each.strip() for each in values["recipients"].split(",")),
        links_url=filled.get("links_url"),
        reply_to=filled.get("reply_to"),
        key=None if key is None else key.encode(),
        link_days=int(values["link_days"]),
        timezone=values["timezone"],
    )
    door = Door(destination.allowed_networks)
    return EmailAdapter(
        profile,
        server,
        to,
        door=door,
        reporter_fields=reporter_fields(profile, filled),
        mailbox=_mailbox(destination, filled, door, to.key),
        return_path=filled.get("return_path"),
    )


def _mailbox(
    destination: Destination, filled: Filled, door: Door, key: bytes | None
) -> Mailbox | None:
    """Where answers arrive: a maildir or an IMAP account, proved by the destination's key."""
    folder, host = filled.get("mailbox"), filled.get("imap_host")
    faults = []
    if folder and host:
        faults.append("settings : « mailbox » ou « imap_host », pas les deux.")
    if (folder or host) and key is None:
        faults.append("secrets.link_key : sans elle, aucune réponse ne peut être reconnue.")
    if host and not (filled.get("imap_user") and filled.get("imap_password")):
        faults.append("settings.imap_user et secrets.imap_password : attendus avec imap_host.")
    if faults:
        raise ProfileFaults(f"destination {destination.name}", faults)
    if key is None or not (folder or host):
        return None
    if folder:
        return Maildir(Path(folder), key)
    return ImapMailbox(_imap_server(filled.values), door, key)


def _imap_server(values: Mapping[str, str]) -> ImapServer:
    return ImapServer(
        host=values["imap_host"],
        user=values["imap_user"],
        password=values["imap_password"],
        port=int(values["imap_port"]),
        tls=values["imap_tls"],
        folder=values["imap_folder"],
        ca_file=values.get("imap_ca_file") or values.get("ca_file"),
    )


SMTP = Kind(read=_read, make=_make, settings=_SETTINGS)
