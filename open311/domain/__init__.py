"""Rules: no input or output, no framework."""
