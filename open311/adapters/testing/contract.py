"""What every adapter must do, whatever its tool and its transport: the tests to inherit.

`cases` names what is proved; what only a transport can play (a refusal, a lost answer)
is in a part of its own: `http_contract`, or a class of yours whose tests are marked with
`proves`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter, read_profile
from open311.adapters.testing.cases import Case, proved_by, proves
from open311.adapters.testing.fixtures import ContractFixtures, SetClock, lacks
from open311.adapters.testing.harness import (
    Seen,
    Tool,
    a_photo,
    a_ticket,
    changes_of,
    deliver,
)
from open311.domain.delivery import (
    AttachmentRefused,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolError,
    ToolRefused,
    mark_of,
)


class AdapterContract(ContractFixtures):
    """What is true of every tool."""

    def test_every_case_is_proved_or_means_nothing_here(self) -> None:
        """Of `cases.Case`: a new transport proves each, or says why it cannot mean anything."""
        proved = proved_by(type(self))
        assert [case for case in Case if case not in proved and case not in self.meaningless] == []

    def test_the_profile_is_the_one_that_this_class_stands_for(self, tool: Tool) -> None:
        """So that no profile of the registry is taken for proved by another's tests."""
        if not self.profile:
            pytest.skip("this class stands for no profile of the registry")
        assert read_profile(tool.destination.profile).name == self.profile

    def test_a_probe_tells_that_the_tool_answers(self, adapter: Adapter) -> None:
        """In one line for people."""
        told = adapter.probe()
        assert told.strip()
        assert "\n" not in told

    def test_the_ticket_has_its_id_and_what_the_agent_needs(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """The words of the citizen arrive whole, markup and accents included."""
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        seen = the_ticket(tool, ticket)
        assert seen.ticket_id == receipt.ticket_id
        assert "trou profond devant l’école" in seen.text
        assert "<cassé>" in seen.text

    def test_the_reporter_stays_with_us_unless_the_destination_says_otherwise(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """Neither the tool nor the record of the exchange names them."""
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        shown = f"{the_ticket(tool, ticket)} {receipt.exchange}"
        for person in ("ada.lovelace", "Lovelace", "12 34 56 78", "612345678"):
            assert person not in shown

    @proves(Case.SAME_KEY_TWICE)
    def test_the_same_key_twice_is_one_ticket(self, tool: Tool, adapter: Adapter) -> None:
        """If the grade promises it; the tool has taken the first one in meanwhile."""
        ticket = a_ticket()
        first = deliver(adapter, ticket)
        the_ticket(tool, ticket)
        second = deliver(adapter, ticket)
        _one_ticket_if_the_grade_promises_it(tool, adapter, ticket, first, second)

    @proves(Case.SAME_KEY_TWICE)
    def test_the_same_key_with_other_words_is_still_one_ticket(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """A request may be corrected between two attempts."""
        ticket = a_ticket()
        first = deliver(adapter, ticket)
        the_ticket(tool, ticket)
        corrected = replace(ticket, description="Un trou profond devant l’école, côté pair.")
        second = deliver(adapter, corrected)
        _one_ticket_if_the_grade_promises_it(tool, adapter, ticket, first, second)

    @proves(Case.CRASH)
    def test_a_crash_between_send_and_commit_leaves_one_ticket(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """Another worker knows nothing of the first but that it may have sent."""
        ticket = a_ticket()
        first = deliver(adapter, ticket)
        the_ticket(tool, ticket)
        after_the_crash = make_adapter(tool.destination)
        second = deliver(after_the_crash, ticket)
        after_the_crash.close()
        _one_ticket_if_the_grade_promises_it(tool, adapter, ticket, first, second)

    @proves(Case.LOST_ANSWER)
    def test_a_lost_answer_makes_no_second_ticket(self, tool: Tool, adapter: Adapter) -> None:
        """Grade none must say that nobody knows: the worker then sends nothing again."""
        ticket = a_ticket()
        tool.lose_the_next_answer()
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        the_ticket(tool, ticket)
        if adapter.capabilities.idempotency is Idempotency.NONE:
            assert type(caught.value) is OutcomeUnknown
            return
        if adapter.capabilities.idempotency is Idempotency.LOOKUP:
            # With any other error the worker would not look before it sends again.
            assert type(caught.value) is OutcomeUnknown
        receipt = deliver(adapter, ticket)
        assert the_ticket(tool, ticket).ticket_id == receipt.ticket_id

    def test_a_look_up_compares_keys_whole(self, adapter: Adapter) -> None:
        """A ticket of another key is not ours, however much the keys are alike."""
        if adapter.capabilities.idempotency is not Idempotency.LOOKUP:
            pytest.skip("only grade lookup looks up")
        ticket = a_ticket()
        assert adapter.lookup(ticket.key) is None
        receipt = adapter.create(ticket)
        assert adapter.lookup(ticket.key[:-1]) is None
        assert adapter.lookup(ticket.key + "0") is None
        found = adapter.lookup(ticket.key)
        assert found is not None
        assert found.ticket_id == receipt.ticket_id

    def test_a_photo_arrives_once(self, tool: Tool, adapter: Adapter) -> None:
        """As a step of its own, or with the ticket."""
        ticket = a_ticket()
        photo = a_photo(ticket)
        if adapter.capabilities.inline_photos:
            adapter.create(replace(ticket, photos=(photo,)))
        elif adapter.capabilities.attach:
            adapter.attach(ticket, adapter.create(ticket), photo)
        else:
            self.leave_out(Case.REFUSED_PHOTO, adapter)
        (name,) = the_ticket(tool, ticket).files
        assert name.endswith(".jpg")

    @proves(Case.REFUSED_PHOTO)
    def test_a_file_that_the_tool_cannot_take_is_refused_before_it_leaves(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """The ticket is made without it; an agent gets a link, from the worker or from it."""
        ticket = a_ticket()
        other = a_photo(ticket, media_type="image/tiff")
        if adapter.capabilities.inline_photos:
            adapter.create(replace(ticket, photos=(other,)))
            text = the_ticket(tool, ticket).text
            assert other.url in text or ticket.public_url in text
        elif adapter.capabilities.attach:
            receipt = adapter.create(ticket)
            with pytest.raises(AttachmentRefused):
                adapter.attach(ticket, receipt, other)
        else:
            self.leave_out(Case.REFUSED_PHOTO, adapter)
        assert the_ticket(tool, ticket).files == ()

    def test_a_note_arrives(self, tool: Tool, adapter: Adapter) -> None:
        """On its own ticket."""
        if not adapter.capabilities.comment:
            pytest.skip("this tool takes no notes")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        adapter.comment(ticket, receipt, "L’usager précise : côté pair.", f"{ticket.key}-n1")
        assert any("côté pair" in note for note in the_ticket(tool, ticket).notes)

    def test_the_same_note_twice_is_what_its_grade_says(self, tool: Tool, adapter: Adapter) -> None:
        """Native: once. Look-up: found, so sent once. None: the worker sends it once only."""
        can = adapter.capabilities
        if not can.comment:
            pytest.skip("this tool takes no notes")
        ticket, note, key = a_ticket(), "L’usager précise : côté pair.", "n1"
        receipt = adapter.create(ticket)
        if can.comment_idempotency is Idempotency.LOOKUP:
            assert adapter.lookup_comment(receipt, note, f"{ticket.key}-{key}") is None
        adapter.comment(ticket, receipt, note, f"{ticket.key}-{key}")
        the_ticket(tool, ticket)
        if can.comment_idempotency is Idempotency.LOOKUP:
            assert adapter.lookup_comment(receipt, note, f"{ticket.key}-{key}") is not None
        if can.comment_idempotency is Idempotency.NATIVE:
            adapter.comment(ticket, receipt, note, f"{ticket.key}-{key}")
        assert sum("côté pair" in each for each in the_ticket(tool, ticket).notes) == 1

    def test_the_same_photo_twice_is_what_its_grade_says(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """As for a note."""
        can = adapter.capabilities
        if not can.attach:
            pytest.skip("this tool takes no photo by itself")
        ticket = a_ticket()
        photo = a_photo(ticket)
        receipt = adapter.create(ticket)
        if can.photo_idempotency is Idempotency.LOOKUP:
            assert adapter.lookup_attachment(receipt, photo) is None
        adapter.attach(ticket, receipt, photo)
        if can.photo_idempotency is Idempotency.LOOKUP:
            assert adapter.lookup_attachment(receipt, photo) is not None
        if can.photo_idempotency is Idempotency.NATIVE:
            adapter.attach(ticket, receipt, photo)
        assert len(the_ticket(tool, ticket).files) == 1

    def test_our_stage_becomes_the_tools_status(self, tool: Tool, adapter: Adapter) -> None:
        """In the tool's own word for it."""
        if not adapter.capabilities.set_status or tool.ours is None:
            pytest.skip("this tool's status is its own")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        stage, word = tool.ours
        adapter.set_status(ticket, receipt, stage, None)
        assert the_ticket(tool, ticket).status == word

    def test_what_an_agent_changes_is_read_and_means_a_stage(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """By a look at one ticket."""
        if not adapter.capabilities.read:
            pytest.skip("this tool cannot be read")
        receipt = adapter.create(a_ticket())
        word, stage = tool.moves
        tool.behind.move(receipt.ticket_id, word)
        now = adapter.read(receipt)
        assert now.ticket_id == receipt.ticket_id
        assert adapter.stage_of(now.status or "") == stage

    @proves(Case.UNKNOWN_STATUS)
    def test_an_unknown_status_is_told_raw_and_means_nothing(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """The worker raises an alert and changes nothing."""
        assert adapter.stage_of("statut-jamais-vu") is None
        if tool.unmapped is None:
            return
        cursor = adapter.changes(None).cursor if adapter.capabilities.changes else ""
        receipt = adapter.create(a_ticket())
        tool.behind.move(receipt.ticket_id, tool.unmapped)
        if adapter.capabilities.read:
            told = adapter.read(receipt).status
        else:
            told = changes_of(adapter, cursor, receipt.ticket_id)[-1].status
        assert told
        assert adapter.stage_of(told) is None

    def test_changes_after_a_cursor_are_all_told(self, tool: Tool, adapter: Adapter) -> None:
        """Status or words, and the first look tells only where to begin."""
        _skip_without_changes(adapter)
        beginning = adapter.changes(None)
        assert beginning.changes == ()
        receipt = adapter.create(a_ticket())
        word, stage = tool.moves
        tool.behind.move(receipt.ticket_id, word)
        last = changes_of(adapter, beginning.cursor, receipt.ticket_id)[-1]
        if stage is None:
            assert last.note == word
        else:
            assert adapter.stage_of(last.status or "") == stage

    def test_the_same_change_told_twice_has_the_same_id(self, tool: Tool, adapter: Adapter) -> None:
        """So that the worker can drop the second."""
        _skip_without_changes(adapter)
        cursor = adapter.changes(None).cursor
        receipt = adapter.create(a_ticket())
        tool.behind.move(receipt.ticket_id, tool.moves[0])
        first = changes_of(adapter, cursor, receipt.ticket_id)
        again = changes_of(adapter, cursor, receipt.ticket_id)
        assert first
        assert {each.event_id for each in first} == {each.event_id for each in again}

    @proves(Case.CLOCK_SKEW)
    @pytest.mark.parametrize("hours", [-5, 5])
    def test_a_wrong_clock_of_ours_loses_no_ticket_and_no_change(
        self, tool: Tool, adapter: Adapter, set_clock: SetClock, hours: int
    ) -> None:
        """And once the clock is right again, what came meanwhile is still told."""
        set_clock(hours)
        can = adapter.capabilities
        cursor = adapter.changes(None).cursor if can.changes else ""
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        the_ticket(tool, ticket)
        if can.comment:
            adapter.comment(ticket, receipt, "Toujours là.", f"{ticket.key}-n1")
        if can.changes:
            tool.behind.move(receipt.ticket_id, tool.moves[0])
            assert changes_of(adapter, cursor, receipt.ticket_id)
            set_clock(0)
            assert changes_of(adapter, cursor, receipt.ticket_id)

    @proves(Case.ECHO)
    def test_an_echo_of_our_own_change_can_be_told(self, tool: Tool, adapter: Adapter) -> None:
        """By its author, or because it says what we said."""
        can = adapter.capabilities
        if lacks(Case.ECHO, can):
            self.leave_out(Case.ECHO, adapter)
        ticket, note = a_ticket(), "L’usager précise : côté pair."
        cursor = adapter.changes(None).cursor if can.changes else ""
        receipt = adapter.create(ticket)
        known = {"received"}  # and what the tool calls a new ticket
        if can.changes:
            new = changes_of(adapter, cursor, receipt.ticket_id)
            known |= {adapter.stage_of(each.status or "") or "" for each in new}
        if can.set_status and tool.ours is not None:
            known.add(tool.ours[0])
            adapter.set_status(ticket, receipt, tool.ours[0], None)
        if not can.changes:
            assert adapter.stage_of(adapter.read(receipt).status or "") in known
            return
        if can.comment:
            adapter.comment(ticket, receipt, note, f"{ticket.key}-n1")
        if tool.repeat is not None:
            tool.repeat(receipt.ticket_id)
        account = tool.destination.settings.get("own_account")
        for change in changes_of(adapter, cursor, receipt.ticket_id):
            same = change.status is None or adapter.stage_of(change.status) in known
            heard = change.note is None or mark_of(change.note) == mark_of(note)
            assert (same and heard) or (account is not None and change.author == account)

    def test_a_dry_run_sends_nothing_and_shows_no_secret(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """What it shows is what would be sent."""
        ticket = a_ticket()
        shown = adapter.preview(ticket)
        assert tool.behind.tickets(ticket.key) == []
        assert ticket.service_request_id in shown
        for secret in tool.environment.values():
            assert secret not in shown

    def test_a_stage_without_a_word_there_is_refused(self, tool: Tool, adapter: Adapter) -> None:
        """Rather than guessed, where the tool has a closed list of statuses."""
        if not adapter.capabilities.set_status or tool.takes_any_stage:
            pytest.skip("this tool's status is its own, or any word")
        ticket = a_ticket()
        receipt = adapter.create(ticket)
        with pytest.raises(ToolRefused):
            adapter.set_status(ticket, receipt, "no-such-stage", None)


def the_ticket(tool: Tool, ticket: Ticket) -> Seen:
    """The one ticket in the tool that carries a ticket's key."""
    (seen,) = tool.behind.tickets(ticket.key)
    return seen


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
