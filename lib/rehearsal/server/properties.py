"""Reads Java properties files (serving.properties, config.properties) by Java's own rules."""

from __future__ import annotations

from pathlib import Path

from rehearsal.server.errors import SetupError


def load_properties(path: Path) -> dict[str, str]:
    """The keys and values of a properties file, last value of a key winning; an absent file has none.

    Raises SetupError for a file that cannot be read, or with a broken \\u escape.
    """
    import javaproperties

    if not path.is_file():
        return {}
    try:
        # Java reads the file as ISO-8859-1; everything else comes as \u escapes.
        with path.open(encoding="iso-8859-1", newline="") as stream:
            return javaproperties.load(stream)
    except (OSError, javaproperties.InvalidUEscapeError) as error:
        raise SetupError(f"{path}: cannot be read as a Java properties file: {error}") from error
