"""pytest as the engine: each clause file is a test file, each clause a test item.

The run is shut off from the folder and the machine it happens in: no configuration file,
no conftest, no third-party plugin, no PYTEST_ADDOPTS is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from open311_conformance import registry
from open311_conformance.model import CannotRun, Outcome, Phase, Verdict
from open311_conformance.run import Run

PHASES = list(Phase)
LEFT_OUT = (
    "terminal", "cacheprovider", "faulthandler", "warnings", "logging", "unraisableexception",
    "threadexception", "junitxml", "doctest", "python", "stepwise", "pastebin",
)  # fmt: skip


class ClauseBroken(Exception):
    """The outcome of a clause that is not conformant, for pytest."""


class ClauseItem(pytest.Item):
    """One clause as a pytest item."""

    plugin: ConformancePlugin

    def runtest(self) -> None:
        """Judge the clause, or take the verdict that the pool has reached.

        Raises:
            ClauseBroken: it failed.
        """
        outcome = self.plugin.outcome(self.name)
        if outcome.verdict is Verdict.NOT_TESTED:
            pytest.skip(outcome.message)
        if outcome.verdict in (Verdict.FAILED, Verdict.BROKEN):
            raise ClauseBroken(f"{self.name}: {outcome.message}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """The sentence instead of a traceback."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the clause stands."""
        return self.path, None, self.name


class ClauseFile(pytest.File):
    """One section of clauses as a pytest file."""

    plugin: ConformancePlugin

    def collect(self) -> Iterator[ClauseItem]:
        """The clauses of this section that the run has chosen."""
        for clause in registry.read_section(self.path):
            if clause.id in self.plugin.run.clauses:
                item: ClauseItem = ClauseItem.from_parent(self, name=clause.id)
                item.plugin = self.plugin
                yield item


class ConformancePlugin:
    """Collects clauses and has the reading ones checked a few at a time."""

    def __init__(self, run: Run, pool: ThreadPoolExecutor) -> None:
        self.run = run
        self.pool = pool
        self.pending: dict[str, Future[Outcome]] = {}

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> ClauseFile:
        """Take the clause files."""
        collected: ClauseFile = ClauseFile.from_parent(parent, path=file_path)
        collected.plugin = self
        return collected

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read first, then write, then look back at everything."""
        items.sort(key=lambda item: PHASES.index(self.run.phase_of(item.name)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the checks that only read; the client keeps them within its manners."""
        for item in session.items:
            if self.run.phase_of(item.name) is Phase.READING:
                self.pending[item.name] = self.pool.submit(self.run.judge, item.name)

    def outcome(self, clause_id: str) -> Outcome:
        """The verdict on a clause, waited for."""
        if clause_id in self.pending:
            return self.pending[clause_id].result()
        return self.run.judge(clause_id)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hide the settings by which the environment would change pytest."""
    hidden = {name: os.environ.pop(name, None) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    before = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        hidden["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = before
        for name, value in hidden.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def arguments(files: Iterable[Path]) -> list[str]:
    """The command line that pytest is given."""
    without = [part for name in LEFT_OUT for part in ("-p", f"no:{name}")]
    ini = registry.CLAUSE_FOLDER / "engine.ini"
    fixed = ["-c", str(ini), "--rootdir", str(registry.CLAUSE_FOLDER), "--noconftest"]
    return [*without, *fixed, "--capture=no", "--assert=plain", *map(str, files)]


def execute(run: Run) -> None:
    """Check every chosen clause; the outcomes are in the run.

    Raises:
        CannotRun: the target cannot be tested, or pytest itself could not start.
    """
    run.arrive()
    wanted = {clause.section for clause in run.clauses.values()}
    files = [
        path
        for path in sorted(registry.CLAUSE_FOLDER.glob("*.toml"))
        if path.stem.split("_", 1)[1] in wanted
    ]
    registry.checks()
    with ThreadPoolExecutor(run.manners.concurrency) as pool, undisturbed():
        code = pytest.main(arguments(files), plugins=[ConformancePlugin(run, pool)])
    if code in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR,
                pytest.ExitCode.USAGE_ERROR) or not run.outcomes:  # fmt: skip
        raise CannotRun(f"the engine stopped ({code})")
