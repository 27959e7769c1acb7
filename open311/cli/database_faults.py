"""What a database says when it fails, as sentences that say what to do."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DatabaseError

_KEY = "OPEN311_DATABASE_URL"
_NO_RIGHT = "42501"  # PostgreSQL, appendix A: insufficient_privilege
_CANNOT_BE_WRITTEN = (
    f"{_KEY} : le fichier SQLite ne peut pas être ouvert ; il faut que son dossier existe, "
    "et que cet utilisateur puisse écrire dans le dossier et dans le fichier (un disque monté "
    "en lecture seule ne suffit pas, même pour lire : SQLite tient son journal à côté)."
)
#: Words of SQLite or of PostgreSQL, and our sentence; the first that is found counts.
_SENTENCES = {
    r"unable to open database file|readonly database|disk I/O error": _CANNOT_BE_WRITTEN,
    r"file is not a database": (
        f"{_KEY} : ce fichier n'est pas une base SQLite ; nommez-en un autre, ou restaurez une "
        "sauvegarde."
    ),
    r"disk image is malformed": (
        "Le fichier SQLite est abîmé : restaurez une sauvegarde (« open311 restore »)."
    ),
    r"database is locked": (
        "Un autre programme écrit dans la base sans s'arrêter : attendez qu'il ait fini, et "
        "recommencez."
    ),
    r"disk is full|No space left": "Le disque est plein : faites de la place, et recommencez.",
    r"refused|could not connect|No such file or directory|timeout|timed out|unreachable": (
        f"PostgreSQL ne répond pas : vérifiez qu'il tourne, et l'hôte et le port de {_KEY}."
    ),
    r"resolve host|could not translate host|Name or service not known": (
        f"{_KEY} : l'hôte de PostgreSQL est introuvable ; vérifiez son nom."
    ),
    r"password|authentication|no pg_hba\.conf entry|role .* does not exist": (
        f"{_KEY} : PostgreSQL refuse cet utilisateur ; vérifiez son nom, son mot de passe et "
        "pg_hba.conf."
    ),
    r"database .* does not exist": (
        f"{_KEY} : cette base n'existe pas sur ce serveur PostgreSQL ; créez-la "
        "(createdb), ou corrigez son nom."
    ),
    r"permission denied": (
        f"{_KEY} : cet utilisateur de PostgreSQL n'a pas ce droit ; le plus simple est que la "
        "base lui appartienne (ALTER DATABASE … OWNER TO …)."
    ),
    r"shutting down|starting up|terminating connection|closed the connection": (
        "PostgreSQL s'arrête ou démarre : recommencez dans un instant."
    ),
}


#: What SQLAlchemy raises, and what SQLite raises by itself for a read.
DATABASE_ERRORS = (DatabaseError, sqlite3.DatabaseError)


def is_fault_of_the_place(error: BaseException) -> bool:
    """Whether the database fails as a file or a server; a wrong statement is a fault of ours."""
    cause = getattr(error, "orig", error)
    if getattr(cause, "sqlstate", None) == _NO_RIGHT:
        return True
    # SQLAlchemy's, SQLite's or psycopg's, which is not imported for every command.
    names = {kind.__name__ for kind in type(error).__mro__}
    return "OperationalError" in names or type(error) in DATABASE_ERRORS


def database_sentence(error: BaseException) -> str:
    """What to do, in French; then what the database itself said, which may be in English."""
    said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    for words, sentence in _SENTENCES.items():
        if re.search(words, said):
            return f"{sentence}\nDétail : {said}"
    return f"La base de données ne répond pas ({_KEY}).\nDétail : {said}"
