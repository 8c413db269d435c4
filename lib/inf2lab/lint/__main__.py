"""`python -m inf2lab.lint`: the linter where there is no clone around it, as in another repository's pre-commit hook.

Exit codes: 0 no error, 1 an error in a folder, 2 could not run. In a clone, `inf2lab lint` says the same.
"""

import argparse
import sys

from inf2lab.errors import LabError
from inf2lab.lint import Target, lint_paths, render


def main(words: list[str] | None = None) -> int:
    """Lint what `words` name, print the report and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m inf2lab.lint", description="Lint DJLServing model folders.")
    parser.add_argument("paths", nargs="+", help="model folders or files of them, scripts (.sh), requests (.json)")
    parser.add_argument("--profile", default=Target.profile, help="release of the serving stack")
    parser.add_argument("--instance", default=Target.instance, help="instance that will serve")
    parser.add_argument("--fix", action="store_true", help="fix what can be fixed safely")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    given = parser.parse_args(words)
    try:
        reports = lint_paths(given.paths, Target(given.profile, given.instance), fix=given.fix)
    except LabError as error:
        print(f"inf2lab: {error}", file=sys.stderr)
        return 2
    print(render(reports, given.format))
    return 0 if all(report.ok for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
