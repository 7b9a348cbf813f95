"""`python -m vidmetrics` and the command `vidmetrics`: one run in a process of its own."""

import gc
import os
from typing import NoReturn

from vidmetrics import cli


def main() -> NoReturn:
    """Run the command line and end the process.

    No command leaves cycles of objects behind or has anything to do at the end: to look for the
    former and to take every object apart would be a quarter of a short command's time.
    """
    gc.disable()
    os._exit(cli.main())


if __name__ == "__main__":
    main()
