"""Serve a Roundup tracker by its own WSGI entry: `roundup_wsgi.py HOME PORT`.

Its stand-alone server refuses to run as root; test machines often are.
"""

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from roundup.cgi.wsgi_handler import RequestDispatcher


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    home, port = sys.argv[1:]
    application = RequestDispatcher(home)
    make_server("127.0.0.1", int(port), application, _Server, _Quiet).serve_forever()
