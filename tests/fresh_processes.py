"""Processes that begin in milliseconds: forked from a server that has imported what they need.

There is one server for all tests of a process, and it imports what was said last before it starts; so it is said here,
for all of them. Said elsewhere too, it has each child of the others import torch for itself.
"""

import multiprocessing

FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(
    ["tests.chaos.searching", "tests.conformance.store_processes", "tests.nas_controller.webhook_processes"]
)
