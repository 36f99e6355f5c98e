"""The table of the spaces has a row for each, and says the same in every form."""

from rich.console import Console

from search_space.spaces import SPACES
from spinesearch.bench.spaces import as_markdown, measure_spaces, print_spaces, to_document


def test_every_space_has_a_row() -> None:
    rows = measure_spaces(quick=True)
    assert [row.name for row in rows] == list(SPACES)
    by_name = {row.name: row for row in rows}
    assert by_name["joint"].inside == 1.0
    assert by_name["joint"].formula == by_name["spinenet-49"].formula // 2**15 * 3**15 * 5**17
    assert by_name["eff-spinenet-b0"].architectures == 5**18
    assert all(0.05 <= row.inside <= 1 and row.low <= row.high for row in rows)
    assert to_document(rows)[0]["name"] == rows[0].name
    markdown = as_markdown(rows).splitlines()
    assert len(markdown) == 2 + len(rows)
    console = Console(record=True, width=250)
    print_spaces(rows, console)
    assert all(name in console.export_text(clear=False) for name in SPACES)
