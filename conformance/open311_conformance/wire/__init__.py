"""What goes over the wire: requests sent politely, answers kept and read."""
