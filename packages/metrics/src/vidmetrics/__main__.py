"""`python -m vidmetrics`: the same as the command `vidmetrics`."""

import sys

from vidmetrics.cli import main

if __name__ == "__main__":
    sys.exit(main())
