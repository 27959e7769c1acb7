"""Logs: one event is one line, without personal data, keys or query strings.

An error is told by its kind and by where it happened. Its message is left out: a
database's or a parser's words repeat what a citizen wrote.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog

LEVELS = {
    name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}
_FRAMES = 12


def configure_logs(form: str, level: str) -> None:
    """Make every log line of this process a line on standard error.

    Args:
        form: `json` or `text`.
        level: least serious level that is written.
    """
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_shared(), _renderer(form)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(standard_logging(form, level))


def standard_logging(form: str, level: str) -> dict[str, Any]:
    """The configuration, for `logging.config`, of what libraries and the server itself say."""
    least = "DEBUG" if level == "DEBUG" else max(level, "WARNING", key=LEVELS.__getitem__)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "open311.http.logs.LineFormatter", "form": form}},
        "filters": {"advice": {"()": "open311.http.logs.NoAdvice"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
                "filters": ["advice"],
            }
        },
        "loggers": {"_granian": {"level": least}},
        "root": {"handlers": ["stderr"], "level": least},
    }


class LineFormatter(logging.Formatter):
    """Lines of the standard library in the form of ours."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._render = _renderer(form)

    def format(self, record: logging.LogRecord) -> str:
        """One line for one record."""
        event: structlog.typing.EventDict = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[1]:
            event["exc_info"] = record.exc_info[1]
        for processor in _shared():
            event = processor(None, record.levelname.lower(), event)  # type: ignore[assignment]
        line: bytes = self._render(None, record.levelname.lower(), event)
        return line.decode()


class NoAdvice(logging.Filter):
    """The web server doubts our number of threads at each start; it is measured."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is news."""
        return "Python threads" not in record.getMessage()


def error_places(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Turn an exception into its kind, its causes' kinds and the places it went through."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return event
    event["error"] = " < ".join(type(each).__name__ for each in _causes(error))
    state = getattr(_causes(error)[-1], "sqlstate", None)
    if state:
        event["sqlstate"] = state
    frames = traceback.extract_tb(_causes(error)[-1].__traceback__)[-_FRAMES:]
    event["places"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _causes(error: BaseException) -> list[BaseException]:
    """An error, then what caused it, the first cause last."""
    found = [error]
    while len(found) < _FRAMES and (cause := found[-1].__cause__ or found[-1].__context__):
        found.append(cause)
    return found


def _shared() -> Sequence[structlog.typing.Processor]:
    return (
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        error_places,
    )


def _renderer(form: str) -> Any:
    return _json_line if form == "json" else _text_line


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _json_line(_logger: Any, _name: str, event: structlog.typing.EventDict) -> bytes:
    return _to_json(event).encode(errors="replace")


def _text_line(_logger: Any, _name: str, event: structlog.typing.EventDict) -> bytes:
    said = " ".join(str(event.pop("event")).split())
    head = f"{event.pop('time')} {event.pop('level'):<8} {said}"
    rest = " ".join(f"{key}={value!r}" for key, value in event.items() if value is not None)
    return f"{head} {rest}".rstrip().encode(errors="replace")
