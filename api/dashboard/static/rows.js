// A table whose rows stay where they are: only cells that changed are touched, so that focus and what is checked stay.

/** Makes `body` hold these rows, in this order; each has its name in `data-key`. */
export function showRows(body, rows) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const kept = rows.map((next) => {
    const row = known.get(next.dataset.key);
    if (!row) return next;
    [...next.cells].forEach((cell, index) => {
      if (row.cells[index].innerHTML !== cell.innerHTML) row.cells[index].replaceChildren(...cell.childNodes);
    });
    return row;
  });
  const isSame = kept.length === body.rows.length && kept.every((row, index) => row === body.rows[index]);
  if (!isSame) body.replaceChildren(...kept);
}
