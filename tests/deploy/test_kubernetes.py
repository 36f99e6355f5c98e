"""The manifests are what Kubernetes and KubeRay take, and say the same as `docker-compose.yml`."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import kubernetes_validate
import pytest
import yaml

from api.gate import is_open
from tests.deploy.compose import ROOT, image_environment, known_variables, parse_command_line, read_services

FOLDER = ROOT / "deploy" / "kubernetes"
KUBERNETES = "1.33"
Manifest = dict[str, Any]

# Fields of ray.io/v1 that we use, with their types: KubeRay's API reference.
RAY_CLUSTER = {"rayVersion": str, "headGroupSpec": dict, "workerGroupSpecs": list}
HEAD_GROUP = {"serviceType": str, "rayStartParams": dict, "template": dict}
WORKER_GROUP = {
    "groupName": str,
    "replicas": int,
    "minReplicas": int,
    "maxReplicas": int,
    "numOfHosts": int,
    "rayStartParams": dict,
    "template": dict,
}


def read(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


KUSTOMIZATION = read("kustomization.yaml")[0]
MANIFESTS = [manifest for name in KUSTOMIZATION["resources"] for manifest in read(name)]
RAY = next(manifest for manifest in MANIFESTS if manifest["kind"] == "RayCluster")
GROUPS = [RAY["spec"]["headGroupSpec"], *RAY["spec"]["workerGroupSpecs"]]


def named(kind: str, name: str) -> Manifest:
    (found,) = [m for m in MANIFESTS if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def templates() -> dict[str, Manifest]:
    """The pod templates by workload; groups of Ray by their names."""
    found = {m["metadata"]["name"]: m["spec"]["template"] for m in MANIFESTS if "template" in m.get("spec", {})}
    return {**found, **{f"ray-{group.get('groupName', 'head')}": group["template"] for group in GROUPS}}


TEMPLATES = templates()
OURS = sorted(set(TEMPLATES) - {"postgresql"})


def container(name: str) -> Manifest:
    (only,) = TEMPLATES[name]["spec"]["containers"]
    found: Manifest = only
    return found


def test_every_file_is_applied_except_the_template_of_secrets() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "secrets-template.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    assert KUSTOMIZATION["namespace"] == named("Namespace", "spinesearch")["metadata"]["name"]


@pytest.mark.parametrize("manifest", [*MANIFESTS, *read("secrets-template.yaml")], ids=lambda m: m["metadata"]["name"])
def test_a_manifest_has_the_schema_of_its_kind(manifest: Manifest) -> None:
    if manifest["kind"] == "RayCluster":
        assert_ray_cluster(manifest)
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def assert_ray_cluster(manifest: Manifest) -> None:
    assert manifest["apiVersion"] == "ray.io/v1"
    assert_fields(manifest["spec"], RAY_CLUSTER)
    assert_fields(manifest["spec"]["headGroupSpec"], HEAD_GROUP)
    for group in manifest["spec"]["workerGroupSpecs"]:
        assert_fields(group, WORKER_GROUP)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in GROUPS:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "a"}, "template": group["template"]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def assert_fields(document: Manifest, fields: Mapping[str, type]) -> None:
    assert set(document) <= set(fields)
    assert all(isinstance(value, fields[name]) for name, value in document.items())


def test_a_wrong_field_would_be_found() -> None:
    wrong = {**named("Service", "api"), "spec": {"ports": [{"port": "http"}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_ray_is_the_release_that_is_tested() -> None:
    assert RAY["spec"]["rayVersion"] == version("ray")


def test_start_parameters_are_options_of_ray() -> None:
    from ray.scripts.scripts import start

    known = {option.removeprefix("--") for parameter in start.params for option in parameter.opts}
    assert {name for group in GROUPS for name in group["rayStartParams"]} <= known


def test_there_are_workers_with_cpus_gpus_and_tpus() -> None:
    limits = {name: container(name)["resources"]["limits"] for name in TEMPLATES if name.startswith("ray-")}
    assert set(limits) == {"ray-head", "ray-cpu", "ray-gpu", "ray-tpu"}
    assert limits["ray-gpu"]["nvidia.com/gpu"] == "1"
    # A v5e host with the topology 2x2 has four chips.
    assert limits["ray-tpu"]["google.com/tpu"] == "4"
    assert TEMPLATES["ray-tpu"]["spec"]["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "2x2"
    assert RAY["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_containers_may_do_little(name: str) -> None:
    pod = TEMPLATES[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "limits" in container(name)["resources"]
    assert not any(key in pod for key in ("hostNetwork", "hostPID", "hostIPC"))


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_what_is_mounted_is_a_volume_and_what_is_claimed_exists(name: str) -> None:
    pod = TEMPLATES[name]["spec"]
    claims = named("StatefulSet", "postgresql")["spec"]["volumeClaimTemplates"] if name == "postgresql" else []
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container(name)["volumeMounts"]} == {
        *volumes,
        *(claim["metadata"]["name"] for claim in claims),
    }
    secrets = {manifest["metadata"]["name"] for manifest in read("secrets-template.yaml")}
    for volume in volumes.values():
        if "secret" in volume:
            assert volume["secret"]["secretName"] in secrets
        if "persistentVolumeClaim" in volume:
            named("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])


@pytest.mark.parametrize("name", OURS)
def test_folders_are_mounted_where_the_image_has_them(name: str) -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in container(name)["volumeMounts"]}
    environment = image_environment()
    if name != "ray-head":
        assert mounts[environment["SPINESEARCH_HOME"]] == "home"
        assert mounts["/data"] == "data"
    if name not in ("ray-head", "api"):
        assert mounts[environment["SPINESEARCH_CACHE"]] == "cache"


def test_commands_are_those_of_the_compose_file() -> None:
    services = read_services()
    for name in ("api", "controller"):
        assert tuple(container(name)["command"]) == services[name].command
        parse_command_line(container(name)["command"][1:])
    assert tuple(container("controller")["readinessProbe"]["exec"]["command"]) == services["controller"].health


def test_variables_are_known_and_name_files_that_are_mounted() -> None:
    shared = named("ConfigMap", "spinesearch")["data"]
    for name in ("api", "controller"):
        environment = {**shared, **{pair["name"]: pair.get("value", "") for pair in container(name)["env"]}}
        assert {variable for variable in environment if variable.startswith("SPINESEARCH_")} <= known_variables()
        mounts = [mount["mountPath"] for mount in container(name)["volumeMounts"]]
        for variable, value in environment.items():
            if variable.endswith(("_FILE", "_TOKEN_PATH")):
                assert value.rpartition("/")[0] in mounts
    assert set(read_services()["api"].environment) <= {*shared, *(pair["name"] for pair in container("api")["env"])}
    head = named("Service", "api")  # KubeRay makes the head's service, with this name.
    assert shared["SPINESEARCH_RAY_ADDRESS"] == f"{RAY['metadata']['name']}-head-svc:6379"
    assert head["spec"]["ports"][0]["port"] == 8080


def keys_that_are_used() -> Iterator[tuple[str, str]]:
    """Name of a secret, and a key of it that a pod reads."""
    for name, template in TEMPLATES.items():
        mounts = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
        for volume in template["spec"]["volumes"]:
            if "secret" in volume:
                for pair in container(name)["env"]:
                    folder, _, key = pair.get("value", "").rpartition("/")
                    if folder == mounts[volume["name"]]:
                        yield volume["secret"]["secretName"], key
        for pair in container(name)["env"]:
            reference = pair.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]


def test_the_template_of_secrets_has_their_keys_and_no_value() -> None:
    found = {
        (m["metadata"]["name"], key): value
        for m in read("secrets-template.yaml")
        for key, value in m["stringData"].items()
    }
    url_password = {("spinesearch-database", "database_password")}
    assert set(found) == {*keys_that_are_used(), *url_password}
    assert set(found.values()) == {""}
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", yaml.safe_dump_all(MANIFESTS))


def test_every_node_of_ray_asks_for_the_token() -> None:
    for name in [*(n for n in TEMPLATES if n.startswith("ray-")), "controller"]:
        environment = {pair["name"]: pair for pair in container(name)["env"]}
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        assert {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(environment)
        assert TEMPLATES[name]["metadata"]["labels"]["spinesearch/ray"] == "member"


def test_probes_of_the_api_need_no_token() -> None:
    probes = [container("api")[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert all(is_open(probe["path"]) and probe["port"] == "http" for probe in probes)


def test_ray_is_reached_by_its_members_only_and_the_database_by_its_clients() -> None:
    policies = {m["metadata"]["name"]: m["spec"] for m in MANIFESTS if m["kind"] == "NetworkPolicy"}
    assert policies["nobody-gets-in"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    member, client = {"spinesearch/ray": "member"}, {"spinesearch/database": "client"}
    assert policies["ray"]["podSelector"] == {"matchLabels": member}
    assert policies["ray"]["ingress"] == [{"from": [{"podSelector": {"matchLabels": member}}]}]
    assert policies["postgresql"]["podSelector"] == {"matchLabels": TEMPLATES["postgresql"]["metadata"]["labels"]}
    (rule,) = policies["postgresql"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": client}}]
    labels = {name: template["metadata"]["labels"] for name, template in TEMPLATES.items()}
    assert {name for name, has in labels.items() if "spinesearch/database" in has} == {"api", "controller"}
    assert "spinesearch/ray" not in labels["api"]
    assert [m["spec"].get("type", "ClusterIP") for m in MANIFESTS if m["kind"] == "Service"] == ["ClusterIP"] * 2
    assert RAY["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
