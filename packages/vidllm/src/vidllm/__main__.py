"""`python -m vidllm` is the command `vidllm`."""

import sys

from vidllm.cli import main

sys.exit(main())
