"""Rules about positions."""
