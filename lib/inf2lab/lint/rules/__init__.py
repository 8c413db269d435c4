"""One rule a file: NAME, SEVERITY, WHY, CURE, the examples that test it, and `check`. What every rule needs is here."""

from inf2lab.lint.finding import Example, Hit, Hits, Severity, short
from inf2lab.lint.target import Folder

__all__ = ["Example", "Folder", "Hit", "Hits", "Severity", "short"]
