"""``python -m open311_conformance`` is the command ``open311-conformance``."""

from open311_conformance.cli import main

main()
