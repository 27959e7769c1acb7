"""The AS-TECH templates as a city would complete them: every word here is invented."""

from __future__ import annotations

from pathlib import Path

_POSITIONS = """
[tables.status_in.values]
"Enregistrée" = "received"
"Planifiée" = "planned"
"Terminée" = "done"
"Soldée" = "done"
"Refusée" = "no_follow_up"
"""
_EVERY_NATURE = '[tables.nature.values]\nvoirie = "VOI"\nproprete = "VOI"\n'
_ONE_NATURE = '[tables.nature]\ndefault = "VOI"\n[tables.atelier]\ndefault = "A1"\n'


def completed(flavour: str) -> str:
    """What is said beside `extends`, for the flavour `rest`, `soap` or `sftp`."""
    natures = _ONE_NATURE
    if flavour == "rest":
        natures = f'[tables.nature]\nunknown = "error"\n{_EVERY_NATURE}'
    return 'version = "essai"\n' + natures + _POSITIONS


def completed_profile(folder: Path, flavour: str, more: str = "") -> str:
    """Write the completed profile; its path."""
    path = folder / f"astech-{flavour}-ville.toml"
    path.write_text(f'extends = "astech-{flavour}"\n{completed(flavour)}{more}', encoding="utf-8")
    return str(path)
