"""The failures that every adapter is put through, and what each is on each transport.

A transport that has no such status says the same thing in its own way: a mail server has
no 422, but 550 to a recipient. `WORDS` is the translation that the contract plays. Only
what cannot mean anything on a transport is left out; `MEANINGLESS` says why, and is the
only place where that can be said for an adapter of the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


class Case(StrEnum):
    """What every adapter must stand."""

    SAME_KEY_TWICE = "same key twice"
    CRASH = "crash between send and commit"
    LOST_ANSWER = "time-out after the tool created the ticket"
    UNAUTHORIZED = "401"
    CONFLICT = "409"
    STALE = "412"
    INVALID = "422"
    BUSY = "429 with Retry-After"
    BROKEN = "5xx"
    TRUNCATED = "truncated body"
    HTML = "HTML instead of JSON"
    SLOW = "slow server"
    CLOCK_SKEW = "clock skew"
    ECHO = "echo of our own change"
    UNKNOWN_STATUS = "unknown status"
    REFUSED_PHOTO = "attachment refused"


def proves(*cases: Case) -> Callable[[Test], Test]:
    """Mark a test as the proof of some cases."""

    def marked(test: Test) -> Test:
        test.proves = cases  # type: ignore[attr-defined]
        return test

    return marked


def proved_by(contract: type) -> set[Case]:
    """The cases that the tests of a class prove, those that it inherits included."""
    tests = (getattr(contract, name) for name in dir(contract) if name.startswith("test"))
    return {case for test in tests for case in getattr(test, "proves", ())}


#: What a case is called on the transports of the registry that are not HTTP; the others
#: (`rest`, `soap`, `georeport`, `webhook`) say it by that very status or answer.
WORDS: Mapping[str, Mapping[Case, str]] = {
    "smtp": {
        Case.SAME_KEY_TWICE: "two mails, one Message-ID: grade none, the worker sends no second",
        Case.CRASH: "the same",
        Case.LOST_ANSWER: "connection lost after the last dot of DATA, before the reply",
        Case.UNAUTHORIZED: "535 to AUTH",
        Case.INVALID: "550 to RCPT, 554 to DATA",
        Case.BUSY: "450 to RCPT, 451 to DATA; no delay is told, so our own pace",
        Case.BROKEN: "421, or the connection lost before DATA",
        Case.TRUNCATED: "half a reply to DATA",
        Case.HTML: "a web page for a greeting, or for the reply to DATA",
        Case.SLOW: "no greeting, or no reply to DATA",
        Case.CLOCK_SKEW: "answers are told by the mailbox's own dates",
        Case.ECHO: "our own mail comes into the mailbox of answers",
        Case.UNKNOWN_STATUS: "a link of another act",
        Case.REFUSED_PHOTO: "552: the mail again, with links",
    },
    "sftp": {
        Case.SAME_KEY_TWICE: "the same file name, looked for where it was dropped and archived",
        Case.CRASH: "the same",
        Case.LOST_ANSWER: "connection lost after the rename, before its answer",
        Case.UNAUTHORIZED: "wrong password; permission denied on the folder",
        Case.CONFLICT: "the server does not let a file be replaced",
        Case.INVALID: "the tool refuses in its return file",
        Case.BUSY: "the server takes no more sessions; no delay is told, so our own pace",
        Case.BROKEN: "disk full",
        Case.TRUNCATED: "connection lost in the middle of the file",
        Case.HTML: "a web page for a return file",
        Case.SLOW: "no answer to a write, or to the rename",
        Case.CLOCK_SKEW: "return files are told by the server's own dates",
        Case.ECHO: "a return file repeats our note",
        Case.UNKNOWN_STATUS: "a position that the profile does not map",
        Case.REFUSED_PHOTO: "no file for a type that the tool does not take; the record has a link",
    },
    "folder": {
        Case.SAME_KEY_TWICE: "the same file name, looked for where it was dropped and archived",
        Case.CRASH: "the same",
        Case.LOST_ANSWER: "the disk fails after the rename",
        Case.UNAUTHORIZED: "permission denied on the folder",
        Case.CONFLICT: "something that cannot be replaced has the file's name",
        Case.INVALID: "the tool refuses in its return file",
        Case.BROKEN: "disk full",
        Case.TRUNCATED: "the disk fails in the middle of the file",
        Case.HTML: "a web page for a return file",
        Case.CLOCK_SKEW: "return files are told by the folder's own dates",
        Case.ECHO: "a return file repeats our note",
        Case.UNKNOWN_STATUS: "a position that the profile does not map",
        Case.REFUSED_PHOTO: "no file for a type that the tool does not take; the record has a link",
    },
}

#: What a case cannot mean on a transport of the registry, and why.
MEANINGLESS: Mapping[str, Mapping[Case, str]] = {
    "rest": {},
    "soap": {},
    "georeport": {},
    "webhook": {
        Case.HTML: "any 2xx is the receipt, whatever its body (Standard Webhooks)",
    },
    "smtp": {
        Case.CONFLICT: "a mailbox takes the same mail twice and never objects",
        Case.STALE: "a mail changes nothing that could have changed under it",
    },
    "sftp": {
        Case.STALE: "a file is written whole, without reading one before",
    },
    "folder": {
        Case.STALE: "a file is written whole, without reading one before",
        Case.BUSY: "a folder asks for no patience",
        Case.SLOW: "the kernel gives up no hung disk; the worker's lease bounds it",
    },
}
#: What a case needs of a tool; one that lacks it has no such case, whatever its transport.
NEEDED: Mapping[Case, str] = {
    Case.ECHO: "the tool tells its changes (`changes`) or its status after ours (`read`)",
    Case.REFUSED_PHOTO: "the tool takes photos (`attach` or `inline_photos`); else links go",
}
