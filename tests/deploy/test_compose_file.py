"""`docker-compose.yml` says what the command line, the Dockerfile and the rules of access allow."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.compose import (
    OURS,
    ROOT,
    Service,
    image_environment,
    known_variables,
    parse_command_line,
    read_compose,
    read_services,
)

SERVICES = read_services()
PRIVATE = ("database", "ray")


def test_all_parts_are_there() -> None:
    assert set(SERVICES) == {"postgres", *OURS, "prometheus", "grafana"}
    profiles = {name: service.document.get("profiles") for name, service in SERVICES.items()}
    assert {name for name, asked in profiles.items() if asked is None} == {"postgres", *OURS} - {"ray-worker-gpu"}
    assert profiles["ray-worker-gpu"] == ["gpu"]


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_that_exists(name: str) -> None:
    program, *arguments = SERVICES[name].command
    if program == "ray":
        assert_ray_start(arguments)
    else:
        assert program == "spinesearch"
        parse_command_line(arguments)


def assert_ray_start(arguments: list[str]) -> None:
    from ray.scripts.scripts import start

    assert arguments[0] == "start"
    start.make_context("start", arguments[1:])


def test_a_misspelt_command_would_be_found() -> None:
    for wrong in (["apis"], ["api", "--hosts", "a"]):
        with pytest.raises(Exception, match=r"No such (command|option)"):
            parse_command_line(wrong)


@pytest.mark.parametrize("name", OURS)
def test_health_checks_are_commands_of_the_image(name: str) -> None:
    program, *arguments = SERVICES[name].health
    assert program in ("spinesearch", "ray", "python")
    if program == "spinesearch":
        parse_command_line(arguments)


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_variables_are_known_and_their_files_are_mounted(service: Service) -> None:
    """A file that a variable names is a secret of the service, or in a folder that is mounted or made."""
    environment = {**(image_environment() if service.name in OURS else {}), **service.environment}
    assert {name for name in environment if name.startswith("SPINESEARCH_")} <= known_variables()
    named = {value for name, value in environment.items() if re.search(r"_(FILE|PATH)$", name)} - {"/opt/spinesearch"}
    secrets = {f"/run/secrets/{secret}" for secret in service.secrets}
    assert {value for value in named if value.startswith("/run/secrets/")} <= secrets
    assert all(value in secrets for name, value in environment.items() if name.endswith(("_FILE", "_TOKEN_PATH")))


@pytest.mark.parametrize("name", OURS)
def test_who_writes_or_reads_artifacts_has_the_shared_home(name: str) -> None:
    service = SERVICES[name]
    if name == "ray-head":  # It runs nothing but Ray's own processes.
        assert "--num-cpus=0" in service.command
        return
    assert service.volumes["/var/lib/spinesearch"] == "home" == SERVICES["controller"].volumes["/var/lib/spinesearch"]
    assert image_environment()["SPINESEARCH_HOME"] == "/var/lib/spinesearch"
    assert service.volumes["/data"] == "data"
    given = read_services({"SPINESEARCH_DATA_FOLDER": "/srv/coco"})[name]
    assert given.volumes["/data"] == "/srv/coco"


def test_the_cache_is_where_its_variable_says() -> None:
    for name in ("controller", "ray-worker", "ray-worker-gpu"):
        folder = {**image_environment(), **SERVICES[name].environment}["SPINESEARCH_CACHE"]
        assert SERVICES[name].volumes[folder] == "cache"


def test_everything_that_is_published_is_published_on_loopback() -> None:
    published = {name: service.ports for name, service in SERVICES.items() if service.ports}
    assert set(published) == {"api", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert not any("network_mode" in service.document for service in SERVICES.values())


def test_postgresql_and_ray_are_in_networks_without_a_way_out() -> None:
    networks = read_compose()["networks"]
    assert {name for name, how in networks.items() if how.get("internal")} == set(PRIVATE)
    members = {network: {s.name for s in SERVICES.values() if network in s.networks} for network in networks}
    assert members["database"] == {"postgres", "api", "controller"}
    assert members["ray"] == {"controller", "ray-head", "ray-worker", "ray-worker-gpu"}
    assert members["web"] == {"api", "prometheus", "grafana"}


def test_whoever_sends_webhooks_is_let_out_and_nobody_else() -> None:
    document = yaml.safe_load((ROOT / "deploy" / "compose-webhooks.yml").read_text(encoding="utf-8"))
    (network,) = document["networks"]
    assert network not in read_compose()["networks"]
    assert not (document["networks"][network] or {}).get("internal")
    (controller,) = document["services"].values()
    assert controller == {"networks": [*SERVICES["controller"].networks, network]}
    allowed = read_services({"SPINESEARCH_WEBHOOK_HOSTS": "hooks.example.com"})
    hosts = {name: s.environment.get("SPINESEARCH_WEBHOOK_HOSTS") for name, s in allowed.items()}
    assert {name for name, text in hosts.items() if text == "hooks.example.com"} == {"api", "controller"}


def test_every_node_of_ray_asks_for_the_token() -> None:
    for service in SERVICES.values():
        if "ray" in service.networks:
            assert service.environment["RAY_AUTH_MODE"] == "token"
            assert service.environment["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert "--include-dashboard=false" in SERVICES["ray-head"].command


def test_each_has_only_the_secrets_that_it_needs() -> None:
    assert {name: set(service.secrets) for name, service in SERVICES.items()} == {
        "postgres": {"database_password"},
        "api": {"database_password", "session_secret", "token"},
        "controller": {"database_password", "ray_token", "session_secret"},
        "ray-head": {"ray_token"},
        "ray-worker": {"ray_token"},
        "ray-worker-gpu": {"ray_token"},
        "prometheus": {"token"},
        "grafana": {"grafana_password"},
    }


def test_no_secret_is_in_clear() -> None:
    document = read_compose()
    assert all(set(how) == {"file"} for how in document["secrets"].values())
    for service in SERVICES.values():
        for name, value in service.environment.items():
            if re.search("PASSWORD|SECRET|TOKEN", name):
                assert value.startswith("/run/secrets/"), name
            assert not re.search(r"://[^/@\s]*:[^/@\s]*@", value), f"{name}: a password in a URL"
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_secrets_are_made_once_and_are_those_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run([str(ROOT / "deploy" / "make-secrets"), str(folder)], check=True)
        made = {path.name: path.read_text() for path in folder.iterdir()}
        assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
        assert len(set(made.values())) == len(made)
        (folder / "token").write_text("0" * 64)
    assert (folder / "token").read_text() == "0" * 64
    named = {Path(how["file"]) for how in read_compose()["secrets"].values()}
    assert named == {Path("deploy/secrets") / name for name in made}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_containers_may_do_little(service: Service) -> None:
    document = service.document
    assert document["read_only"] is True
    assert document["cap_drop"] == ["ALL"]
    assert document["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in document
    assert document["restart"] == "unless-stopped"


def test_each_waits_until_what_it_needs_is_healthy() -> None:
    needs = {name: service.depends_on for name, service in SERVICES.items() if service.depends_on}
    assert needs == {
        "api": {"postgres": "service_healthy"},
        "controller": {"postgres": "service_healthy", "ray-head": "service_healthy"},
        "ray-worker": {"ray-head": "service_healthy"},
        "ray-worker-gpu": {"ray-head": "service_healthy"},
    }


def test_volumes_are_declared_and_all_used() -> None:
    used = {
        source for service in SERVICES.values() for source in service.volumes.values() if not source.startswith("./")
    }
    assert used == set(read_compose()["volumes"])
    folders = {
        source for service in SERVICES.values() for source in service.volumes.values() if source.startswith("./")
    }
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_the_gpu_worker_reserves_gpus_and_gives_them_to_ray() -> None:
    worker = SERVICES["ray-worker-gpu"]
    (device,) = worker.document["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert not any(word.startswith("--num-gpus") for word in worker.command)
    assert "--num-gpus=0" in SERVICES["ray-worker"].command


def test_the_file_has_no_key_twice() -> None:
    """YAML lets the last of two equal keys win in silence."""

    def pairs(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
            for _, value in node.value:
                pairs(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                pairs(value)

    document = yaml.compose((ROOT / "docker-compose.yml").read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    assert document is not None
    pairs(document)
