"""What a deployment may say in its environment, and what it is told when it says something else."""

from pathlib import Path

import pytest

from spinesearch import environment
from spinesearch.home import Home
from spinesearch.supervisor import api_settings, ray_node_command

KEY = "k" * 32
URL = "postgresql+psycopg://keeper@database:5432/searches"


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_password_of_the_database_comes_out_of_its_file(tmp_path: Path) -> None:
    file = written(tmp_path / "password", "p@ss/w:rd\n")
    named = {"SPINESEARCH_DATABASE_URL": URL, "SPINESEARCH_DATABASE_PASSWORD_FILE": file}
    # Percent signs stand for what would end the password in a URL: %40 is @, %2F is /, %3A is :.
    expected = "postgresql+psycopg://keeper:p%40ss%2Fw%3Ard@database:5432/searches"
    assert environment.database_url(named, "sqlite:///a") == expected
    assert environment.database_url({"SPINESEARCH_DATABASE_URL": URL}, "sqlite:///a") == URL
    assert environment.database_url({}, "sqlite:///a") == "sqlite:///a"


@pytest.mark.parametrize(
    ("url", "password", "message"),
    [
        (URL, None, "SPINESEARCH_DATABASE_PASSWORD_FILE: .*password: No such file or directory"),
        (URL, " \n", "SPINESEARCH_DATABASE_PASSWORD_FILE: .*password: the file is empty"),
        (URL.replace("keeper", "keeper:a"), "b", "has a password already; leave out one"),
        (URL.replace("keeper@", ""), "b", "SPINESEARCH_DATABASE_URL must name the user"),
        ("", "b", "SPINESEARCH_DATABASE_URL must name the user"),
        ("nonsense", "b", "SPINESEARCH_DATABASE_URL: not a database URL"),
    ],
)
def test_a_password_without_its_place_is_refused(tmp_path: Path, url: str, password: str | None, message: str) -> None:
    if password is not None:
        written(tmp_path / "password", password)
    named = {"SPINESEARCH_DATABASE_URL": url, "SPINESEARCH_DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    with pytest.raises(ValueError, match=message):
        environment.database_url(named, "sqlite:///a")


def test_a_home_that_is_printed_keeps_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINESEARCH_DATABASE_URL", URL)
    monkeypatch.setenv("SPINESEARCH_DATABASE_PASSWORD_FILE", written(tmp_path / "password", "hush"))
    home = Home.from_environment()
    assert ":hush@" in home.database_url
    assert "hush" not in repr(home)


def test_hosts_of_webhooks_are_those_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path))
    monkeypatch.delenv("SPINESEARCH_WEBHOOK_HOSTS", raising=False)
    assert api_settings(Home.from_environment()).webhook_hosts.hosts == ()
    monkeypatch.setenv("SPINESEARCH_WEBHOOK_HOSTS", "hooks.example.com")
    assert [each.host for each in api_settings(Home.from_environment()).webhook_hosts.hosts] == ["hooks.example.com"]
    with pytest.raises(ValueError, match=r"SPINESEARCH_WEBHOOK_HOSTS: 'https://a'"):
        environment.webhook_hosts({"SPINESEARCH_WEBHOOK_HOSTS": "https://a"})


def test_token_and_session_secret_come_out_of_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPINESEARCH_TOKEN_FILE", written(tmp_path / "token", f"{KEY}\n"))
    monkeypatch.setenv("SPINESEARCH_SESSION_SECRET_FILE", written(tmp_path / "secret", "short"))
    home = Home.from_environment()
    assert home.token() == KEY
    with pytest.raises(ValueError, match=r"SPINESEARCH_SESSION_SECRET_FILE: .*secret: must have at least 32"):
        home.session_secret()
    assert not (tmp_path / "home").exists()


def test_the_api_is_told_its_names_and_that_it_is_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path, "", None)
    loopback = ("127.0.0.1", "localhost", "[::1]")
    plain = api_settings(home)
    assert (plain.allowed_hosts, plain.secure_cookie) == (loopback, False)
    monkeypatch.setenv("SPINESEARCH_ALLOWED_HOSTS", "Search.example.com, api,[2001:db8::1]")
    monkeypatch.setenv("SPINESEARCH_SECURE_COOKIE", "yes")
    told = api_settings(home)
    assert (told.allowed_hosts, told.secure_cookie) == (
        (*loopback, "search.example.com", "api", "[2001:db8::1]"),
        True,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SPINESEARCH_ALLOWED_HOSTS", "api:8080", "'api:8080': must be host names"),
        ("SPINESEARCH_ALLOWED_HOSTS", "*", r"'\*': must be host names"),
        ("SPINESEARCH_SECURE_COOKIE", "true", "'true': must be yes or no"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"^{name}: {message}"):
        api_settings(Home(tmp_path, "", None))


def test_an_api_beyond_loopback_wants_names_and_secrets() -> None:
    named = {"SPINESEARCH_ALLOWED_HOSTS": "api", "SPINESEARCH_TOKEN_FILE": "t", "SPINESEARCH_SESSION_SECRET_FILE": "s"}
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        environment.check_listening(host, {})
    for host in ("0.0.0.0", "::", "192.168.0.7", "api"):
        environment.check_listening(host, named)
        for name in named:
            with pytest.raises(ValueError, match=f"--host {host} is beyond loopback: set {name} first"):
                environment.check_listening(host, {**named, name: ""})


def test_a_cluster_without_a_token_is_not_used() -> None:
    cluster = {"SPINESEARCH_RAY_ADDRESS": "ray-head:6379"}
    for allowed in ({}, {"SPINESEARCH_RAY_ADDRESS": "127.0.0.1:6379"}, {"SPINESEARCH_RAY_ADDRESS": "[::1]:6379"}):
        environment.check_ray(allowed)
    with pytest.raises(ValueError, match="ray-head:6379: set RAY_AUTH_MODE=token"):
        environment.check_ray(cluster)
    with pytest.raises(ValueError, match="set RAY_AUTH_TOKEN_PATH"):
        environment.check_ray({**cluster, "RAY_AUTH_MODE": "token"})
    environment.check_ray({**cluster, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/run/secrets/ray"})


def test_numbers_are_read_or_refused() -> None:
    assert environment.count("SPINESEARCH_CPUS", {}) is None
    assert environment.count("SPINESEARCH_CPUS", {"SPINESEARCH_CPUS": ""}) is None
    assert environment.count("SPINESEARCH_CPUS", {"SPINESEARCH_CPUS": "64"}) == 64
    assert environment.count("SPINESEARCH_GPUS", {"SPINESEARCH_GPUS": "0"}, least=0) == 0
    for wrong in ("0", "-1", "many", "1.5", "٣"):
        with pytest.raises(ValueError, match=f"SPINESEARCH_CPUS: '{wrong}': must be an integer of at least 1"):
            environment.count("SPINESEARCH_CPUS", {"SPINESEARCH_CPUS": wrong})


def test_a_machine_joins_a_cluster_with_nothing_to_give(tmp_path: Path) -> None:
    line = ray_node_command(Home(tmp_path, "", "ray-head:6379"))
    assert line[:3] == ["ray", "start", "--address=ray-head:6379"]
    assert {"--num-cpus=0", "--num-gpus=0", "--block"} < set(line)
    for address in (None, "auto", "ray://ray-head:10001"):
        with pytest.raises(ValueError, match="--join-ray: set SPINESEARCH_RAY_ADDRESS"):
            ray_node_command(Home(tmp_path, "", address))
