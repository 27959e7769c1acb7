"""The open311 command."""
