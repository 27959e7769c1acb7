"""Business tools: one contract, one engine for declarative profiles, few coded adapters."""
