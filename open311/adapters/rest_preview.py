"""A dry run: every request of an operation as it would be sent, and nothing sent."""

from __future__ import annotations

from collections.abc import Sequence

from open311.adapters.profile import UnmappedValue
from open311.adapters.rest_blocks import Call, Operation
from open311.adapters.rest_call import Pairs
from open311.adapters.rest_caller import Caller, photo_pairs
from open311.adapters.transforms import Means
from open311.adapters.vocabulary import Values
from open311.domain.delivery import ToolRefused

#: What only the tool can tell stands between these in a preview.
_PLACEHOLDER = "‹{}›"
_WHOLE = 100_000


def preview(caller: Caller, operation: Operation, values: Values, photos: Sequence[Values]) -> str:
    """The requests of an operation in order, secrets masked.

    Raises:
        ToolRefused: the mapping has nothing for a value: this is what a delivery would say.
    """
    means = Means(caller.means.tables, _unresolved)
    everything = {**caller.settings, **values}
    shown = []
    try:
        for call in operation.first:
            shown.append(_shown(caller, call, everything, means))
            everything |= {f"kept.{name}": _PLACEHOLDER.format(name) for name in call.keep}
        extra = photo_pairs(operation, photos, everything, means)
        shown.append(_shown(caller, operation.call, everything, means, extra))
    except UnmappedValue as error:
        raise ToolRefused(error.message) from error
    return "\n\n".join(shown)


def _unresolved(name: str, code: str) -> str:
    return _PLACEHOLDER.format(f"{name} : {code}")


def _shown(caller: Caller, call: Call, values: Values, means: Means, extra: Pairs = ()) -> str:
    request = caller.unsigned(call, values, means, extra)
    caller.signer.sign_masked(request)
    return caller.wire.shown(caller.wire.prepare(request), caller.wire.masker, limit=_WHOLE)
