"""Rules about the properties format."""
