"""docs/adapters.md: its files pass the contract as they stand on the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from open311.adapters.profile_file import shipped_profiles
from open311.adapters.registry import KINDS, coded_adapters, make_adapter, read_profile
from open311.domain.delivery import Destination

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "adapters.md").read_text(encoding="utf-8")
#: How the page announces a file; its block follows.
_FILE = re.compile(r"This is `([\w.]+)`[^`]*?:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Nothing of this repository's own tests may be needed by those who write an adapter.
_CONFTEST = """
import sys
import pytest

def pytest_sessionfinish():
    assert [name for name in sys.modules if name.partition(".")[0] == "tests"] == []
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and nothing else, as a reader has them."""
    folder = tmp_path_factory.mktemp("balai")
    for name, content in _FILE.findall(PAGE):
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST)
    return folder


def in_folder(folder: Path, *command: str) -> str:
    """What a command of the page says, when it goes well."""
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{folder}"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(told: str) -> int:
    found = re.search(r"(\d+) passed", told)
    return int(found.group(1)) if found else 0


def test_the_page_has_the_files_that_it_speaks_of() -> None:
    assert {name for name, _ in _FILE.findall(PAGE)} == {
        "balai.toml", "test_balai.py", "carnet.py", "test_carnet.py", "pyproject.toml"
    }  # fmt: skip


def test_the_profile_is_sound_and_passes_the_contract(folder: Path) -> None:
    told = in_folder(folder, "-c", _CLI, "adapter", "check", "balai.toml")
    assert "balai" in told
    assert passed(in_folder(folder, "-m", "pytest", "test_balai.py")) > 35


@pytest.mark.parametrize(
    ("said", "instead", "failed"),
    [
        ('key = "ref", ', "", "test_a_look_up_compares_keys_whole"),
        ('"lookup"', '"native"', "test_the_same_key_twice_is_one_ticket"),
    ],
)
def test_a_profile_that_promises_too_much_fails_the_contract(
    folder: Path, tmp_path: Path, said: str, instead: str, failed: str
) -> None:
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    profile = tmp_path / "balai.toml"
    assert said in profile.read_text()
    profile.write_text(profile.read_text().replace(said, instead, 1))
    with pytest.raises(AssertionError, match=failed):
        in_folder(tmp_path, "-m", "pytest", "test_balai.py", "-k", failed)


def test_an_adapter_of_another_package_is_found_by_its_entry_point_and_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip would install it: the package beside its metadata."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    declared = folder / "open311_carnet-1.dist-info"
    declared.mkdir(exist_ok=True)
    (declared / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n"
    )
    points = project["entry-points"]["open311.adapters"]
    lines = "\n".join(f"{name} = {place}" for name, place in points.items())
    (declared / "entry_points.txt").write_text(f"[open311.adapters]\n{lines}\n")
    assert passed(in_folder(folder, "-m", "pytest", "test_carnet.py")) > 10
    monkeypatch.syspath_prepend(str(folder))
    assert "carnet" in coded_adapters()
    adapter = make_adapter(Destination("x", "carnet", settings={"path": str(folder / "none")}))
    assert adapter.capabilities.idempotency == "native"


_CLI = "from open311.cli import main; main()"


def test_the_destination_of_the_page_is_toml_that_names_the_profile() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (block,) = (each for each in blocks if "[[destinations]]" in each)
    [destination] = tomllib.loads(block)["destinations"]
    assert destination["profile"].endswith("balai.toml")
    assert set(destination["settings"]) | set(destination["secrets"]) == {"base_url", "api_key"}


def test_the_page_names_every_kind() -> None:
    assert [kind for kind in KINDS if f"`{kind}`" not in PAGE] == []


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_is_sound_and_says_what_was_tried(name: str) -> None:
    profile, tried = read_profile(name, to_show=True), read_profile(name, to_show=True).tried
    assert tried.real or tried.own or tried.fake or tried.untried
    assert profile.name == name
