"""Settings and jurisdiction files, read and checked."""
