"""Stands in for pip and npm in the tests: copies archives out of a folder. See conftest.py."""

import os
import sys
import time
from pathlib import Path

registry = Path(os.environ["FAKE_REGISTRY"])
client, *arguments = sys.argv[1:]
index = dict(line.split("\t") for line in (registry / "index.txt").read_text().splitlines())
with (registry / "calls.log").open("a") as log:
    log.write(f"{client} {next((a for a in arguments if a in index), arguments[-1])}\n")

wanted = [argument for argument in arguments if argument in index]
if not wanted:
    sys.exit(f"WARNING: noise\nERROR: No matching distribution found for {arguments[-1]}")
archive = registry / index[wanted[0]]

if (reason := archive.with_name(f"{archive.name}.fail")).exists():
    sys.exit(reason.read_text())
data = archive.read_bytes()
if (once := archive.with_name(f"{archive.name}.damaged")).exists():
    once.unlink()
    data = data[:-1] + b"?"
target = Path(archive.name)
if archive.with_name(f"{archive.name}.slow").exists():
    (registry / "slow.pid").write_text(str(os.getpid()))  # first: whoever sees bytes sees it, too
    target.write_bytes(data[: len(data) // 2])
    time.sleep(600)
target.write_bytes(data)
