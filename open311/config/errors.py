"""Faults of a configuration: always all of them at once, as sentences for the operator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from open311.domain.errors import Open311Error


class ConfigurationError(Open311Error):
    """Settings that cannot stand.

    Attributes:
        faults: one French sentence per fault, each beginning with its key.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class JurisdictionFileError(ConfigurationError):
    """A jurisdiction file that cannot be applied.

    Attributes:
        path: the file at fault.
    """

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__(faults)
        self.path = path
