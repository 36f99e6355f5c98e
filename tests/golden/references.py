"""Writes `references.json`: specs, costs and fingerprints of all references.

Run `python -m tests.golden.references` from the repository root after a change that is meant to be seen.
"""

import json
from pathlib import Path
from typing import Any

from search_space.cost import cost
from search_space.fingerprint import fingerprint
from search_space.plan import resolve
from search_space.reference import REFERENCES

PATH = Path(__file__).with_suffix(".json")


def current() -> dict[str, Any]:
    """What the code says now about each reference at its authors' target."""
    document = {}
    for name, entry in REFERENCES.items():
        plan = resolve(entry.spec, entry.target)
        report = cost(plan)
        document[name] = {
            "spec": entry.spec.to_document(),
            "fingerprint": fingerprint(plan),
            "parameters": report.parameters,
            "multiply_adds": report.multiply_adds,
            "backbone_parameters": report.backbone.parameters,
            "backbone_multiply_adds": report.backbone.multiply_adds,
        }
    return document


if __name__ == "__main__":
    PATH.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
