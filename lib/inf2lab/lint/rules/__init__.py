"""One rule a file: NAME, SEVERITY, WHY, CURE, the examples that test it, and `check`."""
