"""Photos of a store, read back."""

from __future__ import annotations

from open311.storage.media import MediaStore


def read_photo(store: MediaStore, name: str) -> bytes:
    with store.open(name) as file:
        return file.read()
