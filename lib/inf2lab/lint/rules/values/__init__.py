"""Rules about values of options."""
