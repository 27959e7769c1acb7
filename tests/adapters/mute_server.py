"""What may answer at a port instead of the server that should be there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: What stands before some servers answers anything with a page.
HTML = "<html><body>Maintenance</body></html>"


@contextmanager
def saying(greeting: bytes | None) -> Iterator[int]:
    """A server that greets with these bytes and ends, or (None) never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                if greeting is not None:
                    connection.sendall(greeting)
                    connection.shutdown(socket.SHUT_WR)
                done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        done.set()
        thread.join(10)
