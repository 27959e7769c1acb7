"""Refusals of the reference server."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer with errors."""

    def __init__(
        self, status: int, texts: list[str], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(" / ".join(texts))
        self.status = status
        self.texts = texts
        self.headers = headers or {}

    def rows(self) -> list[dict[str, Any]]:
        """The errors as rows."""
        return [{"code": self.status, "description": text} for text in self.texts]


class NotFound(Refusal):
    """404."""

    def __init__(self, text: str) -> None:
        super().__init__(404, [text])
