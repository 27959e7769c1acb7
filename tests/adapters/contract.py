"""What every adapter must do, whatever its tool: the tests to inherit, and their harness.

A tool's own test file gives a fixture `tool` (a `Tool`) and inherits `AdapterContract`;
if the tool speaks HTTP, it inherits `HttpContract` too, with a `FaultyProxy` between the
adapter and the tool. docs/adapters.md shows how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from open311.adapters import rest_changes
from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import (
    AttachmentRefused,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    TicketStale,
    ToolBusy,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from tests.adapters.faulty_proxy import (
    FaultyProxy,
    cut_after,
    cut_before,
    html,
    stalled,
    status,
    truncated,
)
from tests.adapters.harness import Seen, Tool, a_photo, a_ticket, changes_of, deliver

__all__ = ["AdapterContract", "HttpContract", "Seen", "Tool", "a_photo", "a_ticket", "changes_of"]


class ContractFixtures:
    """What the tests of both parts use; `tool` is the tool's own."""

    @pytest.fixture
    def adapter(self, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
        for name, value in tool.environment.items():
            monkeypatch.setenv(name, value)
        adapter = make_adapter(tool.destination)
        yield adapter
        adapter.close()
        if tool.proxy is not None:
            tool.proxy.calm()


class AdapterContract(ContractFixtures):
    """What is true of every tool while it works."""

    def test_a_probe_tells_that_the_tool_answers(self, adapter: Adapter) -> None:
        assert adapter.probe().endswith(".")

    def test_the_ticket_has_its_id_and_what_the_agent_needs(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.ticket_id == receipt.ticket_id
        assert "trou profond devant l’école" in seen.text
        assert "<cassé>" in seen.text

    def test_the_reporter_stays_with_us_unless_the_destination_says_otherwise(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        (seen,) = tool.behind.tickets(ticket.key)
        shown = f"{seen} {receipt.exchange}"
        for person in ("ada.lovelace", "Lovelace", "12 34 56 78", "612345678"):
            assert person not in shown

    def test_the_same_key_twice_is_one_ticket(self, tool: Tool, adapter: Adapter) -> None:
        ticket = a_ticket()
        first, second = deliver(adapter, ticket), deliver(adapter, ticket)
        _one_ticket_if_the_grade_promises_it(tool, adapter, ticket, first, second)

    def test_a_crash_between_send_and_commit_leaves_one_ticket(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        ticket = a_ticket()
        first = deliver(adapter, ticket)
        after_the_crash = make_adapter(tool.destination)
        second = deliver(after_the_crash, ticket)
        after_the_crash.close()
        _one_ticket_if_the_grade_promises_it(tool, adapter, ticket, first, second)

    def test_a_look_up_compares_keys_whole(self, tool: Tool, adapter: Adapter) -> None:
        if adapter.capabilities.idempotency is not Idempotency.LOOKUP:
            pytest.skip("this tool has no look-up")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        assert adapter.lookup(ticket.key[:-1]) is None
        assert adapter.lookup(ticket.key + "0") is None
        found = adapter.lookup(ticket.key)
        assert found is not None
        assert found.ticket_id == receipt.ticket_id

    def test_a_photo_arrives_once(self, tool: Tool, adapter: Adapter) -> None:
        if not adapter.capabilities.attach:
            pytest.skip("this tool takes no photo by itself")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        photo = a_photo(ticket)
        adapter.attach(ticket, receipt, photo)
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.files == (photo.name,)

    def test_a_file_that_the_tool_cannot_take_is_refused_before_it_leaves(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        if not adapter.capabilities.attach:
            pytest.skip("this tool takes no photo by itself")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        with pytest.raises(AttachmentRefused):
            adapter.attach(ticket, receipt, a_photo(ticket, media_type="image/tiff"))
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.files == ()

    def test_a_note_arrives(self, tool: Tool, adapter: Adapter) -> None:
        if not adapter.capabilities.comment:
            pytest.skip("this tool takes no notes")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        adapter.comment(ticket, receipt, "L’usager précise : côté pair.", f"{ticket.key}-n1")
        (seen,) = tool.behind.tickets(ticket.key)
        assert any("côté pair" in note for note in seen.notes)

    def test_our_stage_becomes_the_tools_status(self, tool: Tool, adapter: Adapter) -> None:
        if not adapter.capabilities.set_status or tool.ours is None:
            pytest.skip("this tool's status is its own")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        stage, word = tool.ours
        adapter.set_status(ticket, receipt, stage, None)
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.status == word

    def test_a_stage_without_a_word_there_is_refused(self, adapter: Adapter) -> None:
        if not adapter.capabilities.set_status:
            pytest.skip("this tool's status is its own")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        with pytest.raises(ToolRefused):
            adapter.set_status(ticket, receipt, "no-such-stage", None)

    def test_what_an_agent_changes_is_read_and_means_a_stage(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        if not adapter.capabilities.read:
            pytest.skip("this tool cannot be read")
        receipt = adapter.create(a_ticket())
        word, stage = tool.moves
        tool.behind.move(receipt.ticket_id, word)
        now = adapter.read(receipt)
        assert now.ticket_id == receipt.ticket_id
        assert adapter.stage_of(now.status or "") == stage

    def test_an_unknown_status_is_told_raw_and_means_nothing(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        assert adapter.stage_of("statut-jamais-vu") is None
        if tool.unmapped is None or not adapter.capabilities.read:
            return
        receipt = adapter.create(a_ticket())
        tool.behind.move(receipt.ticket_id, tool.unmapped)
        told = adapter.read(receipt).status
        assert told
        assert adapter.stage_of(told) is None

    def test_changes_after_a_cursor_are_all_told(self, tool: Tool, adapter: Adapter) -> None:
        _skip_without_changes(adapter)
        beginning = adapter.changes(None)
        assert beginning.changes == ()
        receipt = adapter.create(a_ticket())
        word, stage = tool.moves
        tool.behind.move(receipt.ticket_id, word)
        told = changes_of(adapter, beginning.cursor, receipt.ticket_id)
        assert adapter.stage_of(told[-1].status or "") == stage

    def test_the_same_change_told_twice_has_the_same_id(self, tool: Tool, adapter: Adapter) -> None:
        _skip_without_changes(adapter)
        cursor = adapter.changes(None).cursor
        receipt = adapter.create(a_ticket())
        tool.behind.move(receipt.ticket_id, tool.moves[0])
        first = changes_of(adapter, cursor, receipt.ticket_id)
        again = changes_of(adapter, cursor, receipt.ticket_id)
        assert {each.event_id for each in first} == {each.event_id for each in again}

    @pytest.mark.parametrize("hours", [-5, 5])
    def test_a_wrong_clock_of_ours_loses_no_change(
        self, tool: Tool, adapter: Adapter, monkeypatch: pytest.MonkeyPatch, hours: int
    ) -> None:
        _skip_without_changes(adapter)

        class Skewed(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:
                return datetime.now(UTC) + timedelta(hours=hours)

        monkeypatch.setattr(rest_changes, "datetime", Skewed)
        cursor = adapter.changes(None).cursor
        receipt = adapter.create(a_ticket())
        tool.behind.move(receipt.ticket_id, tool.moves[0])
        assert changes_of(adapter, cursor, receipt.ticket_id)

    def test_an_echo_of_our_own_change_can_be_told(self, tool: Tool, adapter: Adapter) -> None:
        """By its author, or because it says what we said."""
        _skip_without_changes(adapter)
        if tool.ours is None or not adapter.capabilities.set_status:
            pytest.skip("this tool's status is its own")
        ticket = a_ticket()
        cursor = adapter.changes(None).cursor
        receipt = adapter.create(ticket)
        stage, _ = tool.ours
        adapter.set_status(ticket, receipt, stage, None)
        account = tool.destination.settings.get("own_account")
        for change in changes_of(adapter, cursor, receipt.ticket_id):
            same = change.status is None or adapter.stage_of(change.status) in {stage, "received"}
            assert same or (account is not None and change.author == account)

    def test_a_dry_run_sends_nothing_and_shows_no_secret(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        ticket = a_ticket()
        shown = adapter.preview(ticket)
        assert tool.behind.tickets(ticket.key) == []
        assert ticket.service_request_id in shown
        for secret in tool.environment.values():
            assert secret not in shown


#: Fault before the tool acted, and what the adapter must say of a create.
REFUSALS = [
    (status(400, b'{"error": "champ"}'), ToolRefused),
    (status(401), ToolUnauthorized),
    (status(403), ToolUnauthorized),
    (status(404), ToolRefused),
    (status(409, b'{"error": "conflit"}'), ToolRefused),
    (status(412), TicketStale),
    (status(422, b'{"error": "objet obligatoire"}'), ToolRefused),
    (status(302, Location="https://sso.example/login"), ToolUnauthorized),
    (status(429, Retry_After="7"), ToolBusy),
    (status(503, Retry_After="7"), ToolBusy),
    (status(500), OutcomeUnknown),
    (status(502, b"<html>Bad gateway</html>", content_type="text/html"), OutcomeUnknown),
    (cut_before, OutcomeUnknown),
]
#: Faults after the tool acted: nobody knows, and the next delivery must find the ticket.
LOST = [cut_after, truncated, html, stalled]


class HttpContract(ContractFixtures):
    """What is true when an HTTP tool, or what stands before it, fails."""

    @pytest.fixture
    def proxy(self, tool: Tool) -> FaultyProxy:
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

    @pytest.mark.parametrize(("fault", "error"), REFUSALS, ids=range(len(REFUSALS)))
    def test_a_refused_create_says_what_is_certain(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy, fault: object, error: type
    ) -> None:
        ticket = a_ticket()
        # Twice, for those that sign in again after a 401.
        proxy.fail(fault, at=tool.create, times=2 if fault is REFUSALS[1][0] else 1)
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        assert type(caught.value) is error
        if isinstance(caught.value, ToolBusy):
            assert caught.value.retry_after_s == 7
        assert caught.value.exchange.request
        assert tool.behind.tickets(ticket.key) == []

    def test_the_tools_own_words_reach_the_agent(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        proxy.fail(status(422, "Objet doit être rempli".encode()), at=tool.create)
        with pytest.raises(ToolRefused, match="Objet doit être rempli"):
            adapter.create(a_ticket())

    @pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.__name__)
    def test_after_a_lost_answer_the_next_delivery_makes_no_second_ticket(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy, fault: object
    ) -> None:
        ticket = a_ticket()
        proxy.fail(fault, at=tool.create)
        with pytest.raises(OutcomeUnknown):
            adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)) == 1
        if adapter.capabilities.idempotency is Idempotency.NONE:
            return  # the worker flags it and a person decides: nothing is sent again
        deliver(adapter, ticket)
        assert len(tool.behind.tickets(ticket.key)) == 1

    def test_a_look_up_that_fails_is_no_answer(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        """Or the worker would take « no ticket » for granted and make a double."""
        if tool.lookup is None:
            pytest.skip("this tool has no look-up")
        ticket = a_ticket()
        adapter.create(ticket)
        empty = (status(200), status(200, b"{}"), status(200, b"null"), status(200, b"<a/>"))
        faults = (cut_before, truncated, html, status(500), status(502), status(429), *empty)
        for fault in faults:
            proxy.fail(fault, at=tool.lookup)
            with pytest.raises((ToolUnreachable, ToolBusy)):
                adapter.lookup(ticket.key)

    @pytest.mark.parametrize("code", [413, 415, 422])
    def test_a_refused_photo_leaves_the_ticket_as_it_is(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy, code: int
    ) -> None:
        if tool.attach is None:
            pytest.skip("this tool takes no photo by itself")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        proxy.fail(status(code), at=tool.attach)
        with pytest.raises(AttachmentRefused):
            adapter.attach(ticket, receipt, a_photo(ticket))
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.files == ()

    def test_a_note_on_a_ticket_that_changed_under_us_is_stale(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        if tool.comment is None:
            pytest.skip("this tool takes no notes")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        proxy.fail(status(412), at=tool.comment)
        with pytest.raises(TicketStale):
            adapter.comment(ticket, receipt, "Encore ?", f"{ticket.key}-n1")
        adapter.comment(ticket, receipt, "Encore ?", f"{ticket.key}-n1")
        (seen,) = tool.behind.tickets(ticket.key)
        assert sum("Encore ?" in note for note in seen.notes) == 1

    def test_a_tool_that_is_off_was_certainly_not_told(
        self, tool: Tool, adapter: Adapter, proxy: FaultyProxy
    ) -> None:
        settings = {**tool.destination.settings, "base_url": "http://127.0.0.1:1"}
        off = make_adapter(replace(tool.destination, settings=settings))
        with pytest.raises(ToolUnreachable):
            off.create(a_ticket())
        off.close()


def _skip_without_changes(adapter: Adapter) -> None:
    if not adapter.capabilities.changes:
        pytest.skip("this tool cannot be polled")


def _one_ticket_if_the_grade_promises_it(
    tool: Tool, adapter: Adapter, ticket: Ticket, first: TicketReceipt, second: TicketReceipt
) -> None:
    count = len(tool.behind.tickets(ticket.key))
    if adapter.capabilities.idempotency is Idempotency.NONE:
        assert count == 2, "a tool that tells doubles apart has a better grade than none"
    else:
        assert count == 1
        assert first.ticket_id == second.ticket_id
