"""One rule a file: NAME, SEVERITY, WHY, CURE, the examples that test it, and `check`. What every rule needs is here."""

from inf2lab.folder import Place
from inf2lab.lint.finding import Example, Hit, Hits, Severity
from inf2lab.lint.target import Folder
from inf2lab.words import short

__all__ = ["Example", "Folder", "Hit", "Hits", "Place", "Severity", "short"]
