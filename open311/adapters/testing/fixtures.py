"""What the tests of every part of the contract share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from types import ModuleType
from typing import ClassVar, NoReturn, Self

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing.cases import NEEDED, Case
from open311.adapters.testing.harness import Tool
from open311.domain.delivery import Capabilities

#: Sets our clock wrong by some hours, for the adapter alone.
SetClock = Callable[[float], None]


class _AnyDatetime(type):
    """True datetimes are instances of a skewed one too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class ContractFixtures:
    """The adapter of the test class's own fixture `tool`, and what it may leave out."""

    #: The shipped profile that a class stands for; empty for an adapter of others.
    profile: ClassVar[str] = ""
    #: Cases that mean nothing on this transport, and why.
    meaningless: ClassVar[Mapping[Case, str]] = {}

    @pytest.fixture
    def adapter(self, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
        """The adapter, as a worker makes it."""
        for name, value in tool.environment.items():
            monkeypatch.setenv(name, value)
        adapter = make_adapter(tool.destination)
        yield adapter
        adapter.close()
        if tool.proxy is not None:
            tool.proxy.calm()

    @pytest.fixture
    def set_clock(self, adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> SetClock:
        """Puts another `datetime` in every module of adapters, which skews their clock."""

        def set_wrong_by(hours: float) -> None:
            class Skewed(datetime, metaclass=_AnyDatetime):
                @classmethod
                def now(cls, tz: tzinfo | None = None) -> Self:
                    return cls.fromtimestamp(time.time() + hours * 3600, tz)

            for module in _modules_of(adapter):
                found = vars(module).get("datetime")
                if found is datetime or isinstance(found, _AnyDatetime):
                    monkeypatch.setattr(module, "datetime", Skewed)

        return set_wrong_by

    def leave_out(self, case: Case, adapter: Adapter) -> NoReturn:
        """Skip a case that the table of `cases` lets this adapter leave out.

        Raises:
            pytest.fail.Exception: the table does not.
        """
        if case in self.meaningless:
            pytest.skip(self.meaningless[case])
        if case in NEEDED and lacks(case, adapter.capabilities):
            pytest.skip(f"only where {NEEDED[case]}")
        pytest.fail(f"nothing lets this adapter leave out: {case}")


def lacks(case: Case, can: Capabilities) -> bool:
    """Whether a tool that can do this has no such case (`cases.NEEDED`)."""
    if case is Case.ECHO:
        tells = can.changes or (can.read and can.set_status)
        return not (tells and (can.comment or can.set_status))
    if case is Case.REFUSED_PHOTO:
        return not (can.attach or can.inline_photos)
    return False


def _modules_of(adapter: Adapter) -> list[ModuleType]:
    """The engines, and the package that the adapter itself comes from."""
    own = type(adapter).__module__.partition(".")[0]
    homes = ("open311.adapters", *([] if own == "open311" else [own]))
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(homes) and not name.startswith("open311.adapters.testing")
    ]
