"""Self-checks at the end of a notebook: one line each, PASS or FAIL with a hint; a failed one stops the run."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from inf2lab.errors import LabError

WIDTH = 100  # a page of Jupyter is as wide; it breaks a longer line in the middle of a word


class CheckFailed(LabError):
    """A self-check did not hold; the message repeats its hint."""


def check(claim: str, holds: bool, *, hint: str) -> None:
    """Print PASS for a claim that holds; else print FAIL with the hint and raise CheckFailed, which CI notices."""
    if holds:
        print(f"PASS  {claim}")
        return
    print(f"FAIL  {claim}\n      {hint}")
    raise CheckFailed(f"{claim}: {hint}")


@contextmanager
def expect_failure(kind: type[BaseException], *, about: str) -> Iterator[None]:
    """Run a block that must fail with `kind` and a message containing `about`; print what was raised.

    A notebook shows failures on purpose with this. If the block succeeds, or fails otherwise, that is an error.
    """
    try:
        yield
    except kind as error:
        text = str(error) or "(no message)"
        if about not in text:
            raise CheckFailed(f"expected a {kind.__name__} about {about!r}, and it says: {text}") from error
        print(wrap(f"{type(error).__name__}: {text}"))
    else:
        raise CheckFailed(f"expected a {kind.__name__} about {about!r}, and nothing was raised")


def wrap(text: str, *, indent: str = "", hanging: str = "") -> str:
    """Return `text` with each of its lines broken between words, so that a notebook shows words whole.

    What is broken off a line stands as far in as the line, and at least by `hanging`.
    """
    return "\n".join(_broken(line, indent, hanging) for line in text.split("\n"))


def _broken(line: str, indent: str, hanging: str) -> str:
    own = line[: len(line) - len(line.lstrip())]
    below = indent + max(own, hanging, key=len)
    wrapper = textwrap.TextWrapper(
        WIDTH, initial_indent=indent, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.fill(line)
