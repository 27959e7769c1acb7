"""What is true when an HTTP tool, or what stands before it, fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing.cases import Case, proves
from open311.adapters.testing.contract import the_ticket
from open311.adapters.testing.faulty_proxy import (
    Fault,
    FaultyProxy,
    cut_after,
    cut_before,
    html,
    stalled,
    status,
    truncated,
)
from open311.adapters.testing.fixtures import ContractFixtures
from open311.adapters.testing.harness import Tool, a_photo, a_ticket, deliver
from open311.domain.delivery import (
    AttachmentRefused,
    Idempotency,
    OutcomeUnknown,
    TicketStale,
    ToolBusy,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)

_ACCOUNT = status(401)
_PAGE = b"<html>Bad gateway</html>"
#: What happens before the tool acts, and what the adapter must say of a create.
REFUSALS: list[tuple[str, Fault, type[ToolError]]] = [
    ("400", status(400, b'{"error": "champ"}'), ToolRefused),
    ("401", _ACCOUNT, ToolUnauthorized),
    ("403", status(403), ToolUnauthorized),
    ("404", status(404), ToolRefused),
    ("409", status(409, b'{"error": "conflit"}'), ToolRefused),
    ("409 with Retry-After", status(409, Retry_After="7"), ToolBusy),
    ("412", status(412), TicketStale),
    ("422", status(422, b'{"error": "objet obligatoire"}'), ToolRefused),
    ("302", status(302, Location="https://sso.example/login"), ToolUnauthorized),
    ("429", status(429, Retry_After="7"), ToolBusy),
    ("503", status(503, Retry_After="7"), ToolBusy),
    ("500", status(500), OutcomeUnknown),
    ("502", status(502, _PAGE, content_type="text/html"), OutcomeUnknown),
    ("cut", cut_before, OutcomeUnknown),
]
#: Faults after the tool acted: nobody knows, and the next delivery must find the ticket.
LOST = [cut_after, truncated, html, stalled]


class HttpContract(ContractFixtures):
    """To inherit beside `AdapterContract`; the tool's `proxy` stands before it."""

    #: Whether the adapter may take every lost answer for a mere « try again », because
    #: its tool drops repeats whatever they are.
    repeats_are_safe: ClassVar[bool] = False

    @pytest.fixture
    def proxy(self, tool: Tool) -> FaultyProxy:
        """The proxy, which must be there."""
        assert tool.proxy is not None
        return tool.proxy

    @pytest.fixture
    def adapter(self, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
        """As in the other part, with little patience: `stalled` must not take long."""
        for name, value in tool.environment.items():
            monkeypatch.setenv(name, value)
        settings = {**tool.destination.settings, "read_timeout_s": str(tool.patience_s)}
        adapter = make_adapter(replace(tool.destination, settings=settings))
        yield adapter
        adapter.close()
        assert tool.proxy is not None
        tool.proxy.calm()

    @proves(Case.UNAUTHORIZED, Case.CONFLICT, Case.STALE, Case.INVALID, Case.BUSY, Case.BROKEN)
    @pytest.mark.parametrize(
        ("fault", "error"), [each[1:] for each in REFUSALS], ids=[each[0] for each in REFUSALS]
    )
    def test_a_refused_create_says_what_is_certain(
        self,
        tool: Tool,
        adapter: Adapter,
        proxy: FaultyProxy,
        fault: Fault,
        error: type[ToolError],
    ) -> None:
        """And leaves no ticket behind."""
        ticket = a_ticket()
        # Twice, for those that sign in again after a 401.
        proxy.fail(fault, at=tool.create, times=2 if fault is _ACCOUNT else 1)
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        assert type(caught.value) in self._doubts(error)
        asked_s = caught.value.retry_after_s if isinstance(caught.value, ToolBusy) else None
        assert asked_s == (7 if error is ToolBusy else None)
        assert caught.value.exchange.request
        assert tool.behind.tickets(ticket.key) == []

    def test_the_tools_own_words_reach_the_agent(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        """Who must mend the refusal reads what the tool says of it."""
        proxy.fail(status(422, "Objet doit être rempli".encode()), at=tool.create)
        with pytest.raises(ToolRefused, match="Objet doit être rempli"):
            adapter.create(a_ticket())

    @proves(Case.LOST_ANSWER, Case.TRUNCATED, Case.HTML, Case.SLOW)
    @pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.__name__)
    def test_after_a_lost_answer_the_next_delivery_makes_no_second_ticket(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy, fault: Fault
    ) -> None:
        """Whatever came instead of the answer; grade none is for a person to decide."""
        if fault is html and Case.HTML in self.meaningless:
            self.leave_out(Case.HTML, adapter)
        ticket = a_ticket()
        proxy.fail(fault, at=tool.create)
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        assert type(caught.value) in self._doubts(OutcomeUnknown)
        the_ticket(tool, ticket)
        if adapter.capabilities.idempotency is Idempotency.NONE:
            return
        deliver(adapter, ticket)
        the_ticket(tool, ticket)

    def test_a_look_up_that_fails_is_no_answer(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        """Or the worker would take « no ticket » for granted and make a double."""
        if tool.lookup is None:
            assert adapter.capabilities.idempotency is not Idempotency.LOOKUP
            pytest.skip("only grade lookup looks up")
        ticket = a_ticket()
        adapter.create(ticket)
        empty = (status(200), status(200, b"{}"), status(200, b"null"), status(200, b"<a/>"))
        faults = (cut_before, truncated, html, status(500), status(502), status(429), *empty)
        for fault in faults:
            proxy.fail(fault, at=tool.lookup)
            with pytest.raises((ToolUnreachable, ToolBusy)):
                adapter.lookup(ticket.key)

    @proves(Case.REFUSED_PHOTO)
    @pytest.mark.parametrize("code", [413, 415, 422])
    def test_a_refused_photo_leaves_the_ticket_as_it_is(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy, code: int
    ) -> None:
        """The worker then sends its link."""
        if tool.attach is None:
            if adapter.capabilities.attach:
                pytest.skip("one address for every call: the transport's own tests refuse a photo")
            self.leave_out(Case.REFUSED_PHOTO, adapter)
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        proxy.fail(status(code), at=tool.attach)
        with pytest.raises(AttachmentRefused):
            adapter.attach(ticket, receipt, a_photo(ticket))
        assert the_ticket(tool, ticket).files == ()

    @proves(Case.STALE)
    def test_a_note_on_a_ticket_that_changed_under_us_is_stale(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        """The worker reads it again and redoes the step, once."""
        if tool.comment is None:
            pytest.skip("this tool takes no notes")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        proxy.fail(status(412), at=tool.comment)
        with pytest.raises(TicketStale):
            adapter.comment(ticket, receipt, "Encore ?", f"{ticket.key}-n1")
        adapter.comment(ticket, receipt, "Encore ?", f"{ticket.key}-n1")
        assert sum("Encore ?" in note for note in the_ticket(tool, ticket).notes) == 1

    @pytest.mark.usefixtures("adapter")
    def test_a_tool_that_is_off_was_certainly_not_told(self, tool: Tool) -> None:
        """So it may be tried again, whatever its grade."""
        settings = {**tool.destination.settings, "base_url": "http://127.0.0.1:1"}
        off = make_adapter(replace(tool.destination, settings=settings))
        with pytest.raises(ToolUnreachable):
            off.create(a_ticket())
        off.close()

    def _doubts(self, error: type[ToolError]) -> set[type[ToolError]]:
        """What may be said where `error` is due."""
        if self.repeats_are_safe and error is OutcomeUnknown:
            return {OutcomeUnknown, ToolUnreachable, ToolBusy}
        return {error}
