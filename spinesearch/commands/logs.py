"""`spinesearch logs`: what workers logged and printed for a trial."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from spinesearch.client import POLL_SECONDS, Client
from spinesearch.logs import printable

FINAL_JOBS = ("completed", "failed", "cancelled")


def logs(
    search: Annotated[str, typer.Argument(metavar="SEARCH", help="id of the search")],
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="number of the trial")],
    follow: Annotated[bool, typer.Option("--follow", help="until its trainings have ended")] = False,
) -> None:
    """Print what was logged and printed while a trial was trained."""
    with Client() as client:
        for text in _followed(client, search, trial) if follow else [client.trial_logs(search, trial)]:
            sys.stdout.write(_shown(text))
            sys.stdout.flush()


def _followed(client: Client, search: str, trial: int) -> Iterator[str]:
    """The log of each attempt as it comes, one after the other."""
    seen: set[tuple[str, int]] = set()
    while True:
        jobs = client.list_jobs(search, trial)
        new = [
            (job, attempt) for job in jobs for attempt in job["attempts"] if (job["id"], attempt["number"]) not in seen
        ]
        for job, attempt in new:
            seen.add((job["id"], attempt["number"]))
            yield f"== {job['kind']}, seed {job['seed']}, attempt {attempt['number']} on {attempt['worker']} ==\n"
            yield from client.follow_log(search, trial, job["id"], attempt["number"])
        if not new and all(job["state"] in FINAL_JOBS for job in jobs):
            return
        if not new:
            time.sleep(POLL_SECONDS)


def _shown(text: str) -> str:
    """The text as a terminal may have it: no line of it moves the cursor."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(printable(cell) for cell in line.split("\t")) for line in lines)
