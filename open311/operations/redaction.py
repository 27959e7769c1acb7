"""What the record of attempts may not repeat: the reporter, whatever a tool says of him."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from open311.adapters.masking import Masker
from open311.domain.delivery import Exchange
from open311.domain.request import Reporter
from open311.operations.verdicts import Verdict

#: Digits of a French number after its 0 or +33: tools write what comes before in many ways.
_NATIONAL = 9


def redacted(verdict: Verdict, reporter: Reporter) -> Verdict:
    """A verdict whose words and exchange name no reporter.

    Adapters mask what they send; a tool may still say it again, in an error, or in the
    ticket that a look-up reads.
    """
    masker = Masker(_values(reporter))
    said = verdict.exchange
    return replace(
        verdict,
        message=None if verdict.message is None else masker(verdict.message),
        pause=None if verdict.pause is None else masker(verdict.pause),
        exchange=Exchange(masker(said.request), masker(said.response), said.status_code),
    )


def wordless(verdict: Verdict) -> Verdict:
    """A verdict of which only the outcome is left: its request was erased meanwhile."""
    said = verdict.exchange
    return replace(verdict, message=None, exchange=Exchange(status_code=said.status_code))


def _values(reporter: Reporter) -> Iterator[str]:
    fields = (reporter.email, reporter.first_name, reporter.last_name, reporter.phone,
              reporter.device_id, reporter.account_id)  # fmt: skip
    yield from (value for value in fields if value)
    digits = re.sub(r"\D", "", reporter.phone or "")[-_NATIONAL:]
    if len(digits) == _NATIONAL:
        pairs = [digits[0], *(digits[at : at + 2] for at in range(1, _NATIONAL, 2))]
        yield from (mark.join(pairs) for mark in ("", " ", ".", "-"))
