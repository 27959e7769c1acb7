"""No adapter of the registry without the contract: a new one fails here until it has its tests."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from open311.adapters.profile_file import shipped_profiles
from open311.adapters.registry import KINDS, coded_adapters, read_profile
from open311.adapters.testing import AdapterContract, HttpContract
from open311.adapters.testing.cases import MEANINGLESS, NEEDED, WORDS, Case, proved_by
from tests.adapters.test_email_contract import TestMail as MailContract
from tests.adapters.test_files_contract import SftpContract
from tests.adapters.test_files_contract import TestFolder as FolderContract
from tests.adapters.worker_proof import WorkerProof

PAGE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
#: What a test class of each kind must inherit.
CONTRACTS: dict[str, type] = {
    "folder": FolderContract,
    "georeport": HttpContract,
    "rest": HttpContract,
    "sftp": SftpContract,
    "smtp": MailContract,
    "soap": HttpContract,
    "webhook": HttpContract,
}
del MailContract, FolderContract  # pytest would collect them here again


def contracts() -> list[type[AdapterContract]]:
    """The test classes beside this file that stand for a profile."""
    names = [path.stem for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    modules = [importlib.import_module(f"tests.adapters.{name}") for name in names]
    return [
        each
        for module in modules
        for each in vars(module).values()
        if _is_contract(each) and each.__module__ == module.__name__
    ]


def _is_contract(each: object) -> bool:
    return isinstance(each, type) and issubclass(each, AdapterContract) and bool(each.profile)


def unproved(adapters: Iterable[str], classes: Iterable[type[AdapterContract]]) -> list[str]:
    """The adapters that no test class stands for."""
    proved = {each.profile for each in classes if each.__name__.startswith("Test")}
    return sorted(set(adapters) - proved)


def test_every_adapter_of_the_registry_has_its_contract_tests() -> None:
    assert unproved([*shipped_profiles(), *coded_adapters()], contracts()) == []


def test_an_adapter_without_contract_tests_is_told() -> None:
    assert unproved([*shipped_profiles(), "new-tool"], contracts()) == ["new-tool"]


def test_every_kind_has_a_contract_and_a_class_that_inherits_it() -> None:
    assert set(CONTRACTS) == set(KINDS) == set(MEANINGLESS)
    kinds = {read_profile(each.profile, to_show=True).kind for each in contracts()}
    inherited = {
        kind for kind in KINDS for each in contracts() if issubclass(each, CONTRACTS[kind])
    }
    assert kinds == inherited == set(KINDS)


@pytest.mark.parametrize("contract", contracts(), ids=lambda each: each.__name__)
def test_each_class_proves_every_case_of_its_kind(contract: type[AdapterContract]) -> None:
    kind = read_profile(contract.profile, to_show=True).kind
    if issubclass(contract, SftpContract):
        kind = "sftp"  # the generic profile is of a folder, and extended to SFTP
    assert issubclass(contract, CONTRACTS[kind])
    assert issubclass(contract, WorkerProof), "the worker holds it to its grade"
    assert contract.meaningless == MEANINGLESS[kind], "only the table leaves out"
    assert set(Case) - set(MEANINGLESS[kind]) - proved_by(contract) == set()


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_every_case_has_its_words_or_its_reason(kind: str) -> None:
    assert set(WORDS[kind]) | set(MEANINGLESS[kind]) == set(Case)
    assert set(WORDS[kind]) & set(MEANINGLESS[kind]) == set()


def table() -> str:
    """The table of the page, made of `cases`."""
    kinds = ("smtp", "sftp", "folder")
    lines = ["| Case | By mail | By SFTP | In a folder |", "|---|---|---|---|"]
    for case in Case:
        cells = [WORDS[kind].get(case) or f"*none: {MEANINGLESS[kind][case]}*" for kind in kinds]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_page_shows_the_table_of_cases() -> None:
    assert table() in PAGE, f"docs/adapters.md must show:\n{table()}"
    for reasons in (MEANINGLESS["webhook"], NEEDED):
        told = " ".join(PAGE.split())
        assert [reason for reason in reasons.values() if reason not in told] == []
