"""Where one installation keeps its things: database, artifacts, token, data sets."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from api.settings import read_or_create_secret
from nas_controller.section import parse_number
from spinesearch import environment
from trainer.task import DEFAULT_CACHE_BYTES, DEFAULT_CACHE_TOTAL_BYTES, ImageCache, ImageForm


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with everything that must survive; nothing is created before it is needed.

    Args:
        path: ``$SPINESEARCH_HOME``, by default ``.spinesearch`` in the working directory.
        database_url: ``$SPINESEARCH_DATABASE_URL``, by default a SQLite file in the folder; its password may lie in
            the file ``$SPINESEARCH_DATABASE_PASSWORD_FILE``.
        ray_address: ``$SPINESEARCH_RAY_ADDRESS``; None for a local Ray of our own.
        cache_folder: ``$SPINESEARCH_CACHE``, on each machine that trains; None for ``cache`` in the folder.
        cache_limit_bytes: ``$SPINESEARCH_CACHE_LIMIT``, e.g. ``200G``: what the images of one split may take.
        cache_total_bytes: ``$SPINESEARCH_CACHE_TOTAL``: what all splits on a machine may take, by default 256 GiB or
            the limit of one where that is more; where it is less, one may take no more either. It should hold all that
            is trained on at the same time.
        token_file: ``$SPINESEARCH_TOKEN_FILE``; None for one in the folder, made on first use.
        session_secret_file: ``$SPINESEARCH_SESSION_SECRET_FILE``; None for one in the folder, made on first use.
        artifacts_kept_for: ``$SPINESEARCH_KEEP_ARTIFACTS_DAYS``: how long checkpoints and logs of searches that have
            ended are kept; None for as long as the searches.
        service_url: ``$SPINESEARCH_URL``, of a service elsewhere; None for the one that runs on this home.
    """

    path: Path
    database_url: str = field(repr=False)
    ray_address: str | None
    cache_folder: Path | None = None
    cache_limit_bytes: int = DEFAULT_CACHE_BYTES
    cache_total_bytes: int = DEFAULT_CACHE_TOTAL_BYTES
    token_file: Path | None = None
    session_secret_file: Path | None = None
    artifacts_kept_for: timedelta | None = None
    service_url: str | None = None

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that the environment names.

        Raises:
            ValueError: ``$SPINESEARCH_CACHE_LIMIT`` or ``$SPINESEARCH_CACHE_TOTAL`` is not a number of bytes,
                ``$SPINESEARCH_KEEP_ARTIFACTS_DAYS`` no number of days, or the database's password does not go with its
                URL.
        """
        path = Path(os.environ.get("SPINESEARCH_HOME", ".spinesearch")).resolve()
        url = environment.database_url(os.environ, f"sqlite:///{path / 'spinesearch.sqlite'}")
        limit = _number_of_bytes("SPINESEARCH_CACHE_LIMIT", DEFAULT_CACHE_BYTES)
        total = _number_of_bytes("SPINESEARCH_CACHE_TOTAL", max(limit, DEFAULT_CACHE_TOTAL_BYTES))
        days = environment.count(environment.KEEP_ARTIFACTS_DAYS, os.environ)
        return cls(
            path=path,
            database_url=url,
            ray_address=os.environ.get("SPINESEARCH_RAY_ADDRESS") or None,
            cache_folder=_path("SPINESEARCH_CACHE"),
            cache_limit_bytes=min(limit, total),
            cache_total_bytes=total,
            token_file=_path(environment.TOKEN_FILE),
            session_secret_file=_path(environment.SESSION_SECRET_FILE),
            artifacts_kept_for=None if days is None else timedelta(days=days),
            service_url=os.environ.get("SPINESEARCH_URL") or None,
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
        return ImageCache(
            folder=folder, form=form, limit_bytes=self.cache_limit_bytes, total_bytes=self.cache_total_bytes
        )

    @property
    def url_file(self) -> Path:
        """File with the address of the service that runs on this home."""
        return self.path / "url"

    def find_service(self) -> str:
        """The address of the service that `service_url` names, or of the one that runs on this home.

        Raises:
            ValueError: there is neither.
        """
        if self.service_url is not None:
            return self.service_url
        if not self.url_file.exists():
            raise ValueError(
                "no service runs here: start it with `spinesearch up`, name one with $SPINESEARCH_URL, "
                "or use `spinesearch search run FILE`"
            )
        return self.url_file.read_text(encoding="ascii").strip()

    def token(self) -> str:
        """The API token of this installation; made on first use, readable by its owner only, where no file is named.

        Raises:
            ValueError: the file that is named is missing, or its token too short.
        """
        if self.token_file is not None:
            return environment.read_key(environment.TOKEN_FILE, self.token_file)
        return read_or_create_secret(self.path / "token")

    def session_secret(self) -> str:
        """The key that signs browser sessions and sign-in links; made on first use, where no file is named.

        Raises:
            ValueError: the file that is named is missing, or its key too short.
        """
        if self.session_secret_file is not None:
            return environment.read_key(environment.SESSION_SECRET_FILE, self.session_secret_file)
        return read_or_create_secret(self.path / "session-secret")


def _path(name: str) -> Path | None:
    """The absolute path that an environment variable says; None where it says nothing."""
    text = os.environ.get(name)
    return Path(text).resolve() if text else None


def _number_of_bytes(name: str, default: int) -> int:
    """What an environment variable says."""
    text = os.environ.get(name)
    if not text:
        return default
    number = parse_number(text)
    if not isinstance(number, float):
        raise ValueError(f"{name}: {text!r}: must be a number of bytes, e.g. 200G")
    return int(number)
