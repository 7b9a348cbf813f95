"""The command `seqsynth`, also `python -m seqsynth`."""

import sys

from seqsynth.cli import main

if __name__ == "__main__":
    sys.exit(main())
