"""Rules about the handler that is chosen."""
