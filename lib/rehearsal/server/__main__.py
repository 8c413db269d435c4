"""`python -m rehearsal.server`."""

import sys

# A start by the laboratory forbids it for the worker's sake, which must not write into the model folder. Here it would
# only have this server's own code compiled again at each start.
sys.dont_write_bytecode = False

from rehearsal.server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
