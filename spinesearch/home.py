"""Where one installation keeps its things: database, artifacts, token, data sets."""

import os
from dataclasses import dataclass
from pathlib import Path

from api.settings import read_or_create_secret


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with everything that must survive; nothing is created before it is needed.

    Args:
        path: ``$SPINESEARCH_HOME``, by default ``.spinesearch`` in the working directory.
        database_url: ``$SPINESEARCH_DATABASE_URL``, by default a SQLite file in the folder.
        ray_address: ``$SPINESEARCH_RAY_ADDRESS``; None for a local Ray of our own.
    """

    path: Path
    database_url: str
    ray_address: str | None

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that the environment names."""
        path = Path(os.environ.get("SPINESEARCH_HOME", ".spinesearch")).resolve()
        url = os.environ.get("SPINESEARCH_DATABASE_URL") or f"sqlite:///{path / 'spinesearch.sqlite'}"
        return cls(path=path, database_url=url, ray_address=os.environ.get("SPINESEARCH_RAY_ADDRESS") or None)

    def create(self) -> None:
        """Makes the folder, readable by its owner only."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def artifacts(self) -> Path:
        """Folder of the artifact store."""
        return self.path / "artifacts"

    @property
    def generated_data(self) -> Path:
        """Folder of the generated data set."""
        return self.path / "data" / "generated"

    @property
    def url_file(self) -> Path:
        """File with the address of the service that runs on this home."""
        return self.path / "url"

    def token(self) -> str:
        """The API token of this installation; made on first use, readable by its owner only."""
        return read_or_create_secret(self.path / "token")

    def session_secret(self) -> str:
        """The key that signs browser sessions and sign-in links; made on first use."""
        return read_or_create_secret(self.path / "session-secret")
