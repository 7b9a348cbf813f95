"""`python -m timetokens` is the command `timetokens`."""

import sys

from timetokens.cli import main

if __name__ == "__main__":
    sys.exit(main())
