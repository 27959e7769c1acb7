"""Why the system refused, in French: the C library says it in English."""

from __future__ import annotations

import errno
from collections.abc import Mapping

_REASONS: Mapping[int, str] = {
    errno.ENOENT: "il n'existe pas",
    errno.EISDIR: "c'est un dossier",
    errno.ENOTDIR: "un dossier de ce chemin est un fichier",
    errno.EEXIST: "il existe déjà",
    errno.EACCES: "cet utilisateur n'en a pas le droit",
    errno.EPERM: "cet utilisateur n'en a pas le droit",
    errno.EROFS: "le disque est en lecture seule",
    errno.ENOSPC: "le disque est plein",
    errno.EDQUOT: "le quota est atteint",
    errno.ENAMETOOLONG: "le nom est trop long",
    errno.EADDRINUSE: "l'adresse est prise",
    errno.EADDRNOTAVAIL: "cette adresse n'est pas de cette machine",
}


def reason_of(error: OSError) -> str:
    """A few French words that may stand in brackets; the system's own where we have none."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
