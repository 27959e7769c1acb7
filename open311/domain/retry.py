"""When to try again: full jitter, a cap, an end; and when to leave a tool in peace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

#: A number drawn evenly between its two arguments: `random.uniform`.
Chance = Callable[[float, float], float]

#: The longest patience that a tool may ask for, in seconds: a day.
_MAX_RETRY_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient deliveries are. All values in seconds, but `patience`.

    Attributes:
        lease_s: how long a worker may hold a delivery without a sign of life.
        settle_s: how long a tool may need to finish what it was sent; nobody looks
            there, or sends again, before that.
        base_s, cap_s: the n-th wait is drawn between 0 and base_s × 2ⁿ⁻¹, at most cap_s.
        give_up_s: after this long since the first failure, a person must decide.
        patience: failures in a row that open a destination's circuit.
        open_s, open_cap_s: how long it then stays open; doubled by each further failure.
        least_asked_s: a term below that (`Retry-After: 0`) is no term, but an ill tool's word.
    """

    lease_s: float = 120.0
    settle_s: float = 60.0
    base_s: float = 30.0
    cap_s: float = 6 * 3600.0
    give_up_s: float = 7 * 86_400.0
    patience: int = 5
    open_s: float = 30.0
    open_cap_s: float = 1800.0
    least_asked_s: float = 1.0

    def wait_after(self, failures: int, chance: Chance) -> timedelta:
        """How long to wait after the n-th failure of one delivery (full jitter)."""
        return timedelta(seconds=chance(0.0, _doubled(self.base_s, failures, self.cap_s)))

    def wait_as_asked(self, asked_s: float, failures: int, chance: Chance) -> timedelta:
        """The wait of one delivery whose tool asked for so much: never less than our own."""
        least = timedelta(seconds=self.least_asked_s)
        return max(asked_wait(asked_s), self.wait_after(failures, chance), least)

    def open_after(self, failures: int) -> timedelta | None:
        """How long to send nothing at all after n failures in a row; None while it may go."""
        beyond = failures - self.patience
        if beyond < 0:
            return None
        return timedelta(seconds=_doubled(self.open_s, beyond + 1, self.open_cap_s))


def asked_wait(retry_after_s: float) -> timedelta:
    """The wait that a tool asked for (Retry-After), within reason and never negative."""
    return timedelta(seconds=min(max(retry_after_s, 0.0), _MAX_RETRY_AFTER_S))


def _doubled(base_s: float, times: int, cap_s: float) -> float:
    """Base × 2^(times - 1), at most the cap; large numbers of times overflow nothing."""
    return min(cap_s, base_s * 2.0 ** min(times - 1, 40))
