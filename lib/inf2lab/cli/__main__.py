"""`python -m inf2lab.cli`: the same command where no script is installed."""

from inf2lab.cli import app

app()
