"""The proof that the suite bites: a reference server, and mutations of it, each to be caught."""
