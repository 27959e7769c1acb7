"""Carry the schemas of the standard, kept once in the repository, into the distributions."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSIDE = "open311_conformance/schemas"


class SchemasBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling ships no parameter
    """From a clone, take ``../schemas``; from an sdist, the copy is already in the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to what is built, unless this is an editable install.

        Raises:
            FileNotFoundError: neither a clone nor an sdist: there is nothing to ship.
        """
        if version == "editable":
            return
        of_the_clone = Path(self.root).parent / "schemas"
        if of_the_clone.is_dir():
            build_data["force_include"][str(of_the_clone)] = INSIDE
        elif not (Path(self.root) / INSIDE).is_dir():
            raise FileNotFoundError(f"no schemas in {of_the_clone} nor in {INSIDE}")
