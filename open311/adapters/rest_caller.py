"""Calls of a profile, signed, sent and judged: the part of the engine that speaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from requests import Request

from open311.adapters.mapping import mapped
from open311.adapters.outcomes import failure_of, unreadable
from open311.adapters.profile import Filled, Profile, UnmappedValue
from open311.adapters.rest_answers import AnswerReader
from open311.adapters.rest_auth import Signer
from open311.adapters.rest_blocks import Call, Operation, Resolve, RestBlocks
from open311.adapters.rest_call import Pairs, request_of
from open311.adapters.transforms import Means, as_text, is_empty
from open311.adapters.vocabulary import Values
from open311.adapters.wire import Reply, Wire
from open311.domain.delivery import ToolError, ToolRefused, ToolUnauthorized

#: The error of an answer that is no success: the answer, the tool's words, and whether
#: repeating the request would change nothing.
Failure = Callable[[Reply, str, bool], ToolError]


def _failure(reply: Reply, words: str, safe: bool) -> ToolError:  # noqa: FBT001
    return failure_of(reply, words, safe=safe)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that was accepted, its document, and what the calls before it kept."""

    reply: Reply
    node: Any
    values: Values


class Caller:
    """Speaks to one destination in the words of its profile."""

    def __init__(self, profile: Profile, blocks: RestBlocks, settings: Filled, wire: Wire) -> None:
        self.blocks = blocks
        self.wire = wire
        self.reader = AnswerReader(blocks.xml_answers, blocks.namespaces)
        self.settings = {f"settings.{name}": value for name, value in settings.values.items()}
        self.base_url = settings.get("base_url") or ""
        self.means = Means(profile.tables, self.resolve)
        self.signer = Signer(blocks.auth, self.settings, wire.masker)
        wire.secret_headers |= self.signer.secret_headers
        self._resolved: dict[tuple[str, str], tuple[str, float]] = {}

    def perform(
        self,
        operation: Operation,
        values: Values,
        *,
        safe: bool | None = None,
        extra: Pairs = (),
        accept: Collection[int] = (),
        failure: Failure = _failure,
    ) -> Answered:
        """Make an operation's preliminary calls, then the one that counts.

        Args:
            safe: repeating the last call changes nothing; None = its method says it.
            accept: statuses that the caller judges itself.
            failure: makes the error of an answer that is no success.

        Raises:
            ToolError: see `domain.delivery`.
        """
        everything = {**self.settings, **values}
        try:
            for first in operation.first:
                everything |= self._kept(first, everything, failure)
            return self._run(
                operation.call,
                everything,
                safe=operation.call.safe if safe is None else safe,
                extra=extra,
                accept=accept,
                failure=failure,
            )
        except UnmappedValue as error:
            raise ToolRefused(error.message) from error

    def _kept(self, call: Call, values: Values, failure: Failure) -> dict[str, str]:
        answered = self._run(call, values, safe=True, failure=failure)
        found = self._texts(call, answered, safe=True)
        missing = [name for name in call.keep if name not in found]
        if missing:
            raise unreadable(answered.reply, f"« {missing[0]} » n'y est pas", safe=True)
        return {f"kept.{name}": value for name, value in found.items()}

    def _texts(self, call: Call, answered: Answered, *, safe: bool) -> dict[str, str]:
        try:
            return self.reader.texts(
                call.keep, answered.node, answered.reply, answered.values, self.means
            )
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=safe) from error

    def _run(
        self,
        call: Call,
        values: Values,
        *,
        safe: bool,
        extra: Pairs = (),
        accept: Collection[int] = (),
        failure: Failure = _failure,
    ) -> Answered:
        persons = self._persons(call, values)
        reply = self.wire.send(self._signed(call, values, extra), safe=safe, persons=persons)
        if reply.status == 401 and self.signer.renew():
            reply = self.wire.send(self._signed(call, values, extra), safe=safe, persons=persons)
        if reply.status in {*accept, *call.absent}:
            return Answered(reply, self._node_or_none(reply), values)
        if not _is_success(call, reply):
            words = self._words(call, reply)
            raise failure(reply, words, safe)
        return Answered(reply, self._checked_node(call, reply, safe=safe), values)

    def _signed(self, call: Call, values: Values, extra: Pairs) -> Request:
        request = self.unsigned(call, values, self.means, extra)
        self.signer.sign(request, self._login)
        return request

    def unsigned(self, call: Call, values: Values, means: Means, extra: Pairs = ()) -> Request:
        """The request of a call with the headers of the transport."""
        return request_of(
            call,
            values,
            means,
            base_url=self.base_url,
            transport=self.blocks.headers,
            extra=extra,
        )

    def _login(self, call: Call) -> dict[str, str]:
        """Make the login call; what it keeps.

        Raises:
            ToolUnauthorized: the tool refuses the account.
        """
        request = self.unsigned(call, self.settings, self.means)
        reply = self.wire.send(request, safe=True)
        if not _is_success(call, reply):
            error = failure_of(reply, self._words(call, reply), safe=True)
            if isinstance(error, ToolRefused):
                raise ToolUnauthorized(
                    f"Connexion refusée. {error.message}", exchange=reply.exchange
                )
            raise error
        node = self._checked_node(call, reply, safe=True)
        kept = self._texts(call, Answered(reply, node, self.settings), safe=True)
        if "token" not in kept:
            raise unreadable(reply, "la connexion n'a pas donné de jeton", safe=True)
        return kept

    def _checked_node(self, call: Call, reply: Reply, *, safe: bool) -> Any:
        try:
            node = self.reader.parsed(reply)
            if call.unauthorized_if and self.reader.find(call.unauthorized_if, node):
                raise ToolUnauthorized(self._words(call, reply), exchange=reply.exchange)
            if call.success_if and not self.reader.find(call.success_if, node):
                if node is None:
                    raise ValueError("réponse vide")  # noqa: TRY301 - told as the others
                raise ToolRefused(self._words(call, reply), exchange=reply.exchange)
        except ValueError as error:
            raise unreadable(reply, str(error), safe=safe) from error
        return node

    def _node_or_none(self, reply: Reply) -> Any:
        try:
            return self.reader.parsed(reply)
        except ValueError:
            return None

    def _words(self, call: Call, reply: Reply) -> str:
        """What the tool says of its refusal: found by the profile, else its text."""
        node = self._node_or_none(reply)
        if call.error is not None and node is not None:
            try:
                found = self.reader.find(call.error, node)
            except ValueError:
                found = None
            if not is_empty(found):
                return reply.words(as_text(found))
        return "" if b"<html" in reply.content[:1000].lower() else reply.words(reply.text)

    def _persons(self, call: Call, values: Values) -> list[str]:
        """What the record must not show: the reporter, as he is and as fields turn him."""
        plain = [as_text(value) for name, value in values.items() if name.startswith("reporter.")]
        fields = [
            each
            for each in (*call.fields, *call.query, *call.headers)
            if (each.name or "").startswith("reporter.")
        ]
        return plain + [as_text(value) for _, value in mapped(fields, values, self.means)]

    def resolve(self, name: str, code: str) -> str:
        """The tool's id for a code of ours, remembered for a while.

        Raises:
            UnmappedValue: the tool knows no such code.
        """
        known = self._resolved.get((name, code))
        if known is not None and known[1] > time.monotonic():
            return known[0]
        look_up = self.blocks.resolves[name]
        values = {**self.settings, "code": code}
        answered = self._run(look_up.call, values, safe=True)
        try:
            found = self._looked_up(look_up, answered, code)
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error
        if is_empty(found):
            raise UnmappedValue(f"L'outil ne connaît pas « {code} » (recherche « {name} »).")
        self._resolved[name, code] = (as_text(found), time.monotonic() + look_up.cache_s)
        return as_text(found)

    def _looked_up(self, look_up: Resolve, answered: Answered, code: str) -> Any:
        """The value of the item that matches the code, None when there is none."""
        reply, values = answered.reply, answered.values
        items = [answered.node]
        if look_up.items is not None:
            items = self.reader.listed(look_up.items, answered.node)
        for item in items:
            if look_up.match is not None:
                match = self.reader.value(look_up.match, item, reply, values, self.means)
                if as_text(match) != code:
                    continue
            return self.reader.value(look_up.value, item, reply, values, self.means)
        return None


def _is_success(call: Call, reply: Reply) -> bool:
    return reply.status in call.success if call.success else 200 <= reply.status < 300


def photo_pairs(
    operation: Operation, photos: Sequence[Values], values: Values, means: Means
) -> Pairs:
    """What the photos inside a create add to its body: `#` is the place of each."""
    return [
        (to.replace("#", str(at)), value)
        for at, photo in enumerate(photos)
        for to, value in mapped(operation.photo_fields, {**values, **photo}, means)
    ]
