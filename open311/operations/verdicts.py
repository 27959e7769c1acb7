"""What an attempt's end means for its delivery: one rule per kind of failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from open311.domain.delivery import (
    DeliveryState,
    Exchange,
    Idempotency,
    NoteInDoubt,
    OutcomeUnknown,
    TicketReceipt,
    TicketStale,
    ToolBusy,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from open311.domain.retry import Chance, Pace, asked_wait


class Circuit(StrEnum):
    """What an attempt tells of the tool as a whole."""

    ALIVE = "alive"
    FAULT = "fault"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after an attempt.

    Attributes:
        outcome: one word for the record of attempts and the metrics.
        wait: for a delivery that goes back to pending, how long it rests.
        arrived_now: it was sent now, and the tool has it or may have it.
        counted: whether the attempt counts as a failure of this delivery.
        rest: how long the tool asked everybody to wait.
        pause: why the whole destination must stop.
        receipt: the ticket, when there is one now.
        told_stage, told_text: what the tool was told, for its echo.
    """

    state: DeliveryState
    outcome: str
    message: str | None = None
    exchange: Exchange = Exchange()  # noqa: RUF009 - frozen
    wait: timedelta = timedelta()
    arrived_now: bool = False
    counted: bool = False
    circuit: Circuit = Circuit.SILENT
    rest: timedelta | None = None
    pause: str | None = None
    receipt: TicketReceipt | None = None
    told_stage: str | None = None
    told_text: str | None = None


def delivered(
    outcome: str,
    exchange: Exchange,
    *,
    receipt: TicketReceipt | None = None,
    told_stage: str | None = None,
    told_text: str | None = None,
) -> Verdict:
    """It is in the tool."""
    return Verdict(
        DeliveryState.DONE,
        outcome,
        exchange=exchange,
        arrived_now=True,
        circuit=Circuit.ALIVE,
        receipt=receipt,
        told_stage=told_stage,
        told_text=told_text,
    )


def verdict_on(
    error: ToolError,
    grade: Idempotency,
    *,
    failures: int,
    pace: Pace,
    chance: Chance,
) -> Verdict:
    """What a failure means.

    Args:
        grade: what the tool gives against a double of this step.
        failures: of this delivery, this one included.
    """
    wait = pace.wait_after(failures, chance)
    match error:
        case ToolUnauthorized():
            verdict = Verdict(DeliveryState.PENDING, "unauthorized", pause=error.message)
        case ToolRefused():
            verdict = Verdict(DeliveryState.DEAD, "refused", circuit=Circuit.ALIVE)
        case ToolBusy(retry_after_s=float() | int() as asked_s):
            wait = pace.wait_as_asked(asked_s, failures, chance)
            verdict = _asked(wait, asked_s, pace, step_only=error.step_only)
        case ToolBusy():
            verdict = _failed("busy", wait)
        case ToolUnreachable():
            verdict = _failed("unreachable", wait)
        case TicketStale():  # twice: somebody is at work there, and nothing was changed
            verdict = _failed("stale", wait)
        case NoteInDoubt():
            verdict = _failed("unknown", wait, DeliveryState.UNKNOWN, arrived_now=True)
        case OutcomeUnknown() if grade is Idempotency.NONE:
            verdict = _failed("unknown", wait, DeliveryState.UNKNOWN, arrived_now=True)
        case _:
            looked_for = grade is Idempotency.LOOKUP
            least = timedelta(seconds=pace.settle_s if looked_for else 0)
            verdict = _failed("unknown", max(wait, least), arrived_now=True)
    return replace(verdict, message=error.message, exchange=error.exchange)


def _asked(wait: timedelta, asked_s: float, pace: Pace, *, step_only: bool) -> Verdict:
    """It asked for patience: for this step alone, for all, or for none worth the name."""
    if step_only:
        return Verdict(
            DeliveryState.PENDING, "busy", wait=wait, counted=True, circuit=Circuit.ALIVE
        )
    if asked_s < pace.least_asked_s:
        return _failed("busy", wait)
    return Verdict(DeliveryState.PENDING, "busy", wait=wait, rest=asked_wait(asked_s), counted=True)


def _failed(
    outcome: str,
    wait: timedelta,
    state: DeliveryState = DeliveryState.PENDING,
    *,
    arrived_now: bool = False,
) -> Verdict:
    """It did not go well, and the tool itself may be ill."""
    return Verdict(
        state, outcome, wait=wait, arrived_now=arrived_now, counted=True, circuit=Circuit.FAULT
    )
