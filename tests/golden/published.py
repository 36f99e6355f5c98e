"""Writes the table of `docs/published-numbers.md`: published numbers beside counted ones.

Run `python -m tests.golden.published` from the repository root after a change that is meant to be seen.
"""

from pathlib import Path

from search_space.published import published_table
from spinesearch.commands.published import table_markdown

PATH = Path(__file__).parents[2] / "docs" / "published-numbers.md"
MARK = "<!-- What follows is written by `python -m tests.golden.published`. -->\n"


def recorded() -> str:
    """The table as the document has it."""
    return PATH.read_text(encoding="utf-8").partition(MARK)[2]


def current() -> str:
    """The table as the code counts it now."""
    return "\n" + table_markdown(published_table())


if __name__ == "__main__":
    text = PATH.read_text(encoding="utf-8").partition(MARK)[0]
    PATH.write_text(text + MARK + current(), encoding="utf-8")
