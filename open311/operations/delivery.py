"""One delivery, from the moment a worker holds it to the moment it is settled.

Nothing is sent inside a transaction. That a step may have arrived is committed
before the call and forgotten only by a certain answer; as long as it stands, the tool
is asked first (or its own idempotency trusted, or a person called). Photos and notes
obey the same rule, each by its own grade.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from open311.adapters.contract import Adapter
from open311.domain.delivery import (
    DeliveryState,
    Destination,
    Idempotency,
    OutcomeUnknown,
    Throughput,
    ToolError,
    mark_of,
)
from open311.domain.errors import Open311Error, Unavailable
from open311.domain.retry import Chance, Pace
from open311.operations.installation import Installation, Side
from open311.operations.parcels import Parcel, Withdrawn, pack
from open311.operations.redaction import redacted, wordless
from open311.operations.sending import send
from open311.operations.verdicts import Circuit, Verdict, verdict_on
from open311.storage import catalogue, deliveries, destinations, tickets
from open311.storage.deliveries import StoredDelivery
from open311.storage.delivery_records import Attempt, find_delivery, insert_attempt, is_forgotten

#: Marks of notes kept per ticket: more than come back between two polls.
_NOTES_KEPT = 20
#: The outcome of two tickets where one should be.
_TWIN = "twin"

_log = structlog.get_logger("open311.delivery")


@dataclass(frozen=True)
class Desk:
    """Where a worker delivers from.

    Attributes:
        worker: its name in leases, unique among all that run.
        clock: the time that all workers of this database share.
        version: configuration that the adapter was made from; under another one nothing
            is taken (a delivery replayed after a correction must meet the correction).
        is_stopping: whether to take nothing more.
    """

    installation: Installation
    worker: str
    clock: Callable[[], datetime]
    pace: Pace = Pace()  # noqa: RUF009 - frozen
    chance: Chance = random.uniform
    version: int | None = None
    is_stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Trial:
    """When an attempt began, and how long it took."""

    started: datetime
    duration_ms: int


def deliver_next(desk: Desk, side: Side, destination: Destination, adapter: Adapter) -> bool:
    """Take the next delivery of a destination and bring it to an end; False when none is due."""
    database, pace = desk.installation.database, desk.pace
    now = desk.clock()
    if not deliveries.has_due(database, destination.name, now, pace.lease_s):
        return False
    throughput = adapter.capabilities.throughput.under(destination.throughput)
    delivery = database.write(
        lambda connection: _claim(connection, desk, destination.name, throughput, now)
    )
    if delivery is None:
        return False
    if desk.is_stopping():
        database.write(lambda connection: deliveries.release(connection, delivery, desk.worker))
        return False
    dispatch(desk, side, destination, adapter, delivery)
    return True


def _claim(
    connection: Connection, desk: Desk, destination: str, throughput: Throughput, now: datetime
) -> StoredDelivery | None:
    if desk.version not in (None, catalogue.version_within(connection)):
        return None
    lease_s = desk.pace.lease_s
    return deliveries.claim(
        connection, destination, desk.worker, now=now, lease_s=lease_s, throughput=throughput
    )


def dispatch(
    desk: Desk,
    side: Side,
    destination: Destination,
    adapter: Adapter,
    delivery: StoredDelivery,
) -> Verdict | None:
    """Try one delivery that this worker holds, and settle it; None when the lease was lost.

    Whatever goes wrong with it, our own mistakes included, is recorded and counted, so
    that no delivery is tried without end.

    Raises:
        Unavailable: the database cannot be written; the lease runs out by itself.
    """
    started, clock = desk.clock(), time.monotonic()
    verdict = _tried_or_failed(desk, side, destination, adapter, delivery)
    if verdict is None:
        return None
    trial = Trial(started, round((time.monotonic() - clock) * 1000))
    verdict, held = _settled(desk, adapter, delivery, verdict, trial)
    _log.info(
        "delivery",
        destination=destination.name,
        delivery=delivery.delivery_key,
        kind=str(delivery.kind),
        service_request_id=delivery.service_request_id,
        outcome=verdict.outcome,
        state=str(verdict.state) if held else "lost lease",
        duration_ms=trial.duration_ms,
    )
    return verdict if held else None


def _tried_or_failed(
    desk: Desk, side: Side, destination: Destination, adapter: Adapter, delivery: StoredDelivery
) -> Verdict | None:
    """As `_tried`; a mistake of our own is a failure like another."""
    away: tuple[type[Exception], ...] = (Unavailable, *desk.installation.database.write_errors)
    try:
        return _tried(desk, side, destination, adapter, delivery)
    except away:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the 7 days must end
        _log.error("delivery failed", delivery=delivery.delivery_key, exc_info=error)
        message = f"Erreur interne : {type(error).__name__} (voir le journal)."
    with desk.installation.database.connect() as connection:
        now_there = find_delivery(connection, delivery.delivery_key)
    if now_there is not None and now_there.sent_datetime is not None:
        return _unknown(desk, adapter, delivery, OutcomeUnknown(message), with_words=True)
    wait = desk.pace.wait_after(delivery.attempts + 1, desk.chance)
    return Verdict(DeliveryState.PENDING, "failed", message, wait=wait, counted=True)


def _unknown(
    desk: Desk,
    adapter: Adapter,
    delivery: StoredDelivery,
    failure: OutcomeUnknown,
    *,
    with_words: bool,
) -> Verdict:
    """It was sent, and then we failed: as if the answer had been lost."""
    grade = adapter.capabilities.grade_of(delivery.kind, with_words=with_words)
    failures = delivery.attempts + 1
    return verdict_on(failure, grade, failures=failures, pace=desk.pace, chance=desk.chance)


def _settled(
    desk: Desk, adapter: Adapter, delivery: StoredDelivery, verdict: Verdict, trial: Trial
) -> tuple[Verdict, bool]:
    """Write what became of a delivery; what cannot be written down is an unknown outcome."""
    database, now = desk.installation.database, desk.clock()
    try:
        return database.write(lambda c: _settle(c, desk, delivery, verdict, trial, now))
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - the database refuses something the tool said
        _log.error("outcome not written", delivery=delivery.delivery_key, exc_info=error)
        message = f"La réponse de l'outil ne peut pas être gardée ({type(error).__name__})."
    failure = OutcomeUnknown(message, exchange=verdict.exchange)
    has_words = verdict.told_text is not None
    unwritten = _unknown(desk, adapter, delivery, failure, with_words=has_words)
    return database.write(lambda c: _settle(c, desk, delivery, unwritten, trial, now))


def _tried(
    desk: Desk,
    side: Side,
    destination: Destination,
    adapter: Adapter,
    delivery: StoredDelivery,
) -> Verdict | None:
    """What an attempt leads to; None when the lease was lost before anything was sent."""
    can = adapter.capabilities
    doubt = _doubt(desk, delivery, can.grade_of(delivery.kind, with_words=False))
    if doubt is not None:
        return doubt
    try:
        parcel = pack(desk.installation, side, destination, delivery, can)
    except Unavailable as error:
        wait = desk.pace.wait_after(delivery.attempts + 1, desk.chance)
        return Verdict(DeliveryState.PENDING, "unready", error.message, wait=wait)
    except Open311Error as error:
        return Verdict(DeliveryState.DEAD, "unsendable", error.message)
    if isinstance(parcel, Withdrawn):
        return Verdict(parcel.state, "withdrawn", parcel.why)
    grade = can.grade_of(delivery.kind, with_words=parcel.has_words)
    doubt = _doubt(desk, delivery, grade)
    if doubt is not None:
        return doubt
    verdict = _exchanged(desk, adapter, delivery, parcel, grade)
    return None if verdict is None else redacted(verdict, parcel.ticket.reporter)


def _doubt(desk: Desk, delivery: StoredDelivery, grade: Idempotency) -> Verdict | None:
    """What must come first when the tool may have it: time, or a person; None: send (again)."""
    if delivery.sent_datetime is None:
        return None
    if grade is Idempotency.NONE:
        lost = "un envoi a été interrompu : personne ne sait si l'outil l'a reçu."
        return Verdict(DeliveryState.UNKNOWN, "interrupted", lost)
    if grade is Idempotency.NATIVE:
        return None
    # A tool that may still be busy with what it was sent cannot yet say that it lacks it.
    left = delivery.sent_datetime + timedelta(seconds=desk.pace.settle_s) - desk.clock()
    if left <= timedelta():
        return None
    return Verdict(DeliveryState.PENDING, "settling", wait=left)


def _exchanged(
    desk: Desk, adapter: Adapter, delivery: StoredDelivery, parcel: Parcel, grade: Idempotency
) -> Verdict | None:
    """Speak to the tool; every failure becomes a verdict; None: the lease was lost."""
    failure: ToolError
    now = desk.clock()
    if not desk.installation.database.write(
        lambda connection: deliveries.mark_sent(connection, delivery.delivery_key, desk.worker, now)
    ):
        return None
    try:
        return send(adapter, delivery, parcel)
    except ToolError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - an adapter's own mistake: nobody knows what it sent
        _log.error("adapter failed", delivery=delivery.delivery_key, exc_info=error)
        # Its words may hold a secret, and nobody masked them: they stay in the log.
        failure = OutcomeUnknown(f"{type(error).__name__} dans l'adaptateur : voir le journal.")
    return verdict_on(
        failure, grade, failures=delivery.attempts + 1, pace=desk.pace, chance=desk.chance
    )


def _recorded(
    connection: Connection, delivery: StoredDelivery, verdict: Verdict, trial: Trial
) -> Verdict:
    """Record an attempt; the verdict as far as it may be kept."""
    if is_forgotten(connection, delivery.request_key):
        verdict = wordless(verdict)
    attempt = Attempt(
        trial.started, trial.duration_ms, verdict.outcome, verdict.message, verdict.exchange
    )
    insert_attempt(connection, delivery.delivery_key, attempt)
    return verdict


def _settle(
    connection: Connection,
    desk: Desk,
    delivery: StoredDelivery,
    verdict: Verdict,
    trial: Trial,
    now: datetime,
) -> tuple[Verdict, bool]:
    """Write what became of a delivery, and whether its lease was still held."""
    verdict = _recorded(connection, delivery, _own_ticket(connection, delivery, verdict), trial)
    verdict = _given_up(delivery, verdict, now)
    give_up = delivery.give_up_datetime
    if verdict.counted and give_up is None:
        give_up = now + timedelta(seconds=desk.pace.give_up_s)
    held = deliveries.settle(
        connection,
        delivery,
        desk.worker,
        state=verdict.state,
        now=now,
        not_before=now + verdict.wait,
        sent=_sent(delivery, verdict, now),
        attempts=delivery.attempts + verdict.counted,
        give_up=give_up,
        error=verdict.message,
    )
    if verdict.receipt is not None:
        tickets.put_ticket(
            connection, delivery.destination, delivery.request_key, verdict.receipt, now
        )
    if not held:
        _tell_late(connection, delivery, verdict, now)
    if verdict.told_stage or verdict.told_text:
        _remember(connection, delivery, verdict)
    _tell_circuit(connection, desk, delivery.destination, verdict, now)
    return verdict, held


def _tell_late(
    connection: Connection, delivery: StoredDelivery, verdict: Verdict, now: datetime
) -> None:
    """What a worker whose lease was lost still has to say: its ticket, or a second one."""
    if verdict.receipt is not None:
        deliveries.settle_late(connection, delivery.delivery_key, now)
    elif verdict.outcome == _TWIN:
        deliveries.doubt_late(connection, delivery.delivery_key, verdict.message, now)


def _own_ticket(connection: Connection, delivery: StoredDelivery, verdict: Verdict) -> Verdict:
    """The verdict, unless its ticket is another request's, or a second one of this request.

    Then a person must look, and the ticket that is known already is kept.
    """
    if verdict.receipt is None:
        return verdict
    ticket_id, destination = verdict.receipt.ticket_id, delivery.destination
    owner = tickets.other_owner(connection, destination, delivery.request_key, ticket_id)
    if owner is not None:
        ill = replace(verdict, circuit=Circuit.FAULT)
        return _twin(ill, f"qui est déjà celui de la demande {owner}")
    deliveries.lock(connection, delivery.delivery_key)  # two workers may tell at the same time
    known = tickets.find_ticket(connection, destination, delivery.request_key)
    if known is None or known.receipt.ticket_id == ticket_id:
        return verdict
    kept = known.receipt.ticket_id[:60]
    return _twin(verdict, f"mais la demande a déjà « {kept} » : un des deux est de trop")


def _twin(verdict: Verdict, why: str) -> Verdict:
    assert verdict.receipt is not None
    return replace(
        verdict,
        state=DeliveryState.UNKNOWN,
        outcome=_TWIN,
        message=f"L'outil répond par le ticket « {verdict.receipt.ticket_id[:60]} », {why} : "
        "regardez dans l'outil, puis open311 delivery resolve.",
        receipt=None,
        counted=True,
    )


def _sent(delivery: StoredDelivery, verdict: Verdict, now: datetime) -> datetime | None:
    """Since when the tool may have it: what was doubtful before stays so until it is done."""
    return now if verdict.arrived_now else delivery.sent_datetime


def _remember(connection: Connection, delivery: StoredDelivery, verdict: Verdict) -> None:
    """Keep what the tool was told, to know it again when it comes back as a change."""
    ticket = tickets.find_ticket(connection, delivery.destination, delivery.request_key)
    if ticket is None:
        return
    told: dict[str, object] = {}
    if verdict.told_stage:
        told["stage"] = verdict.told_stage
    if verdict.told_text:
        notes = [*ticket.last_sent.get("notes", ()), mark_of(verdict.told_text)]
        told["notes"] = notes[-_NOTES_KEPT:]
    tickets.note_sent(connection, ticket, told)


def _given_up(delivery: StoredDelivery, verdict: Verdict, now: datetime) -> Verdict:
    late = delivery.give_up_datetime is not None and now >= delivery.give_up_datetime
    if verdict.state is DeliveryState.PENDING and verdict.counted and late:
        return replace(verdict, state=DeliveryState.DEAD)
    return verdict


def _tell_circuit(
    connection: Connection, desk: Desk, destination: str, verdict: Verdict, now: datetime
) -> None:
    """Open or close the destination's circuit, or stop it, as the attempt suggests."""
    if verdict.pause is not None:
        destinations.pause(connection, destination, verdict.pause)
    if verdict.rest is not None:
        destinations.open_circuit(connection, destination, now + verdict.rest)
    if verdict.circuit is Circuit.ALIVE:
        destinations.note_success(connection, destination)
    if verdict.circuit is Circuit.FAULT:
        failures = destinations.count_failure(connection, destination)
        closed_for = desk.pace.open_after(failures)
        if closed_for is not None:
            destinations.open_circuit(connection, destination, now + closed_for)
