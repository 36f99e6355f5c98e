"""Where one installation keeps its things: database, artifacts, token, data sets."""

import os
from dataclasses import dataclass
from pathlib import Path

from api.settings import read_or_create_secret
from nas_controller.search_config import parse_number
from trainer.task import DEFAULT_CACHE_BYTES, ImageCache, ImageForm


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with everything that must survive; nothing is created before it is needed.

    Args:
        path: ``$SPINESEARCH_HOME``, by default ``.spinesearch`` in the working directory.
        database_url: ``$SPINESEARCH_DATABASE_URL``, by default a SQLite file in the folder.
        ray_address: ``$SPINESEARCH_RAY_ADDRESS``; None for a local Ray of our own.
        cache_folder: ``$SPINESEARCH_CACHE``, on each machine that trains; None for ``cache`` in the folder.
        cache_limit_bytes: ``$SPINESEARCH_CACHE_LIMIT``, e.g. ``200G``: what the images of one split may take.
    """

    path: Path
    database_url: str
    ray_address: str | None
    cache_folder: Path | None = None
    cache_limit_bytes: int = DEFAULT_CACHE_BYTES

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that the environment names.

        Raises:
            ValueError: ``$SPINESEARCH_CACHE_LIMIT`` is not a number of bytes.
        """
        path = Path(os.environ.get("SPINESEARCH_HOME", ".spinesearch")).resolve()
        url = os.environ.get("SPINESEARCH_DATABASE_URL") or f"sqlite:///{path / 'spinesearch.sqlite'}"
        cache = os.environ.get("SPINESEARCH_CACHE")
        return cls(
            path=path,
            database_url=url,
            ray_address=os.environ.get("SPINESEARCH_RAY_ADDRESS") or None,
            cache_folder=Path(cache).resolve() if cache else None,
            cache_limit_bytes=_cache_limit(os.environ.get("SPINESEARCH_CACHE_LIMIT")),
        )

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

    def image_cache(self, form: ImageForm) -> ImageCache:
        """Where resized images are kept."""
        folder = self.cache_folder or self.path / "cache"
        return ImageCache(folder=folder, form=form, limit_bytes=self.cache_limit_bytes)

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


def _cache_limit(text: str | None) -> int:
    if not text:
        return DEFAULT_CACHE_BYTES
    number = parse_number(text)
    if not isinstance(number, float):
        raise ValueError(f"SPINESEARCH_CACHE_LIMIT: {text!r}: must be a number of bytes, e.g. 200G")
    return int(number)
