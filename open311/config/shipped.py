"""Files that ship with the program: fixtures and schemas."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def shipped_path(name: str) -> Path:
    """Where a shipped file or folder is: in the installed wheel, or in a checkout.

    Args:
        name: path from the root of the repository, as `fixtures/jurisdictions`.

    Raises:
        FileNotFoundError: this installation does not hold it.
    """
    for root in (PACKAGE / "_shipped", PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"« {name} » manque dans cette installation.")
