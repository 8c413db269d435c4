"""What the program says to a reader, in the reader's language: pictures, tables, answers and pages.

Commands, checks, errors and logs stay English: they are what a reader searches for.
"""

from inf2lab.language.catalogue import ENGLISH, languages, spoken, translated, translations
from inf2lab.language.markup import translated_html

__all__ = ["ENGLISH", "languages", "spoken", "translated", "translated_html", "translations"]
