"""Shipped files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from open311.config import shipped


def test_a_checkout_gives_the_files_of_the_repository() -> None:
    assert (shipped.shipped_path("fixtures/jurisdictions") / "gentilly.fr.toml").is_file()
    assert shipped.shipped_path("fixtures/synthesis_profile.json").is_file()


def test_an_installed_wheel_gives_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "open311"
    inside = package / "_shipped" / "fixtures"
    inside.mkdir(parents=True)
    (package.parent / "fixtures").mkdir()  # another distribution's folder of that name
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert shipped.shipped_path("fixtures") == inside


def test_a_file_that_was_not_shipped_is_told() -> None:
    with pytest.raises(FileNotFoundError, match="fixtures/nothing"):
        shipped.shipped_path("fixtures/nothing")
