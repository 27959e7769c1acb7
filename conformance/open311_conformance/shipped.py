"""Files that come with the suite: the schemas of the standard and that of the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from open311_conformance.model import CannotRun

_PACKAGE = Path(__file__).parent


def schemas_folder() -> Path:
    """The schemas inside the wheel, or those of the clone that this runs from.

    Raises:
        CannotRun: neither is there.
    """
    for folder in (_PACKAGE / "schemas", _PACKAGE.parent.parent / "schemas"):
        if folder.is_dir():
            return folder
    raise CannotRun("the schemas of the standard were not shipped")


def copy_schemas(to: Path) -> int:
    """Write the schemas to a folder; how many files that are."""
    shutil.copytree(schemas_folder(), to, dirs_exist_ok=True)
    return sum(path.is_file() for path in to.rglob("*"))


def report_schema() -> str:
    """The JSON Schema of the JSON report."""
    return (_PACKAGE / "report" / "report.schema.json").read_text(encoding="utf-8")


def read_previous(path: str | None) -> Mapping[str, str]:
    """The catalogue digest and the changeset of an earlier JSON report.

    Raises:
        CannotRun: the file is no report.
    """
    if not path:
        return {}
    try:
        target = json.loads(Path(path).read_text(encoding="utf-8"))["target"]
        return {name: str(target[name]) for name in ("catalogue", "changeset")}
    except (ValueError, KeyError, TypeError) as error:
        raise CannotRun(f"{path} is not a JSON report of this suite") from error
