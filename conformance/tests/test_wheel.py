"""The wheel stands alone: clauses, style, report schema and the schemas of the standard."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
SHIPPED = (
    "open311_conformance/clauses/1_transport.toml",
    "open311_conformance/clauses/engine.ini",
    "open311_conformance/report/page.css",
    "open311_conformance/report/report.schema.json",
    "open311_conformance/py.typed",
)


def build(kind: str, project: Path, to: Path) -> Path:
    """Build a wheel or an sdist without isolation (hatchling is a test dependency)."""
    pytest.importorskip("hatchling")
    code = f"import hatchling.build as b; print(b.build_{kind}({str(to)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return to / done.stdout.split()[-1]


def schemas_in(names: list[str]) -> list[str]:
    return [name for name in names if "open311_conformance/schemas/" in name]


def test_the_wheel_ships_the_one_copy_of_the_schemas(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build("wheel", PROJECT, tmp_path)).namelist()
    assert set(SHIPPED) <= set(names)
    in_clone = [path for path in (PROJECT.parent / "schemas").rglob("*") if path.is_file()]
    assert len(schemas_in(names)) == len(in_clone) > 0
    assert not [name for name in names if name.startswith("tests")]


def test_a_wheel_built_from_the_sdist_ships_them_too(tmp_path: Path) -> None:
    sdist = build("sdist", PROJECT, tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    names = zipfile.ZipFile(build("wheel", unpacked, tmp_path)).namelist()
    assert schemas_in(names)
    assert set(SHIPPED) <= set(names)
