"""The Kubernetes manifests: valid, and what they say is what the program does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest
import yaml

from tests.deploy.files import (
    DEPLOY,
    PATHS,
    container,
    image_environment,
    instruction,
    longest_stop,
    manifest,
    manifests,
    parsed,
    variables,
)

OURS = {"app.kubernetes.io/name": "onebeat"}
FOREIGN = {"kustomize.config.k8s.io", "monitoring.coreos.com", "keda.sh"}
"""Groups whose kinds Kubernetes does not know by itself: no schema of theirs is at hand."""

STYLE = "{extends: default, rules: {line-length: {max: 120}, braces: {max-spaces-inside: 0}}}"


def environment() -> dict[str, Any]:
    """Return what the container is told."""
    return {entry["name"]: entry.get("value") for entry in container()["env"]}


def test_all_of_it_is_tidy_yaml() -> None:
    """As yamllint has it."""
    command = [sys.executable, "-m", "yamllint", "--strict", "-d", STYLE, str(DEPLOY)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "" == found.stdout + found.stderr


@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_every_manifest_is_valid(version: str) -> None:
    """Against the schemas of Kubernetes, nothing unknown in it; of an old version and of a new one."""
    checked = set()
    for _, document in manifests():
        if document["apiVersion"].partition("/")[0] not in FOREIGN:
            kubernetes_validate.validate(document, version, strict=True)
            checked.add(document["kind"])
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "HorizontalPodAutoscaler"} == checked


def test_every_manifest_is_in_its_kustomization() -> None:
    """None is forgotten, and none is named that is not there."""
    for file in (DEPLOY / "kubernetes").rglob("kustomization.yaml"):
        named = yaml.safe_load(file.read_text())["resources"]
        there = [other.name for other, _ in manifests() if other.parent == file.parent and other != file]
        assert sorted(there) == sorted(named), file


def test_all_carry_our_label_and_select_by_it() -> None:
    """So that they belong together in whatever namespace."""
    selectors = [
        manifest("Deployment")["spec"]["selector"]["matchLabels"],
        manifest("Deployment")["spec"]["template"]["metadata"]["labels"],
        manifest("Service")["spec"]["selector"],
        manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        manifest("PodMonitor")["spec"]["selector"]["matchLabels"],
    ]
    labels = [document["metadata"]["labels"] for _, document in manifests() if "metadata" in document]
    assert [OURS] * (len(selectors) + len(labels)) == selectors + labels


def test_it_is_given_longer_to_stop_than_a_stop_takes() -> None:
    """Else tasks would be killed that were promised their time."""
    grace = manifest("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert longest_stop(environment()) < grace


def test_only_variables_that_are_heeded_are_set() -> None:
    """And they can be parsed, with the arguments."""
    assert set() == environment().keys() - variables()


def test_its_arguments_are_those_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow the image's entry point."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value or "redis://somewhere")
    told = parsed(["run", *container()["args"]]).params
    assert (9090, 64, 8.0) == (told["metrics_port"], told["concurrency"], told["shutdown_timeout"])


def test_probes_ask_what_is_answered_where_it_is_answered() -> None:
    """Liveness never asks for readiness: a store that is away is no reason for a restart."""
    asked = {name: container()[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    expected = {
        "startup": {"path": "/readyz", "port": "operations"},
        "liveness": {"path": "/livez", "port": "operations"},
        "readiness": {"path": "/readyz", "port": "operations"},
    }
    assert expected == asked
    assert {probe["path"] for probe in asked.values()} <= PATHS


def test_there_is_one_port() -> None:
    """The container's, the program's, the service's, the image's; all others use its name."""
    [port] = container()["ports"]
    [service] = manifest("Service")["spec"]["ports"]
    ports = [port["containerPort"], int(environment()["ONEBEAT_METRICS_PORT"]), service["port"]]
    ports += [int(image_environment()["ONEBEAT_METRICS_PORT"]), int(instruction("EXPOSE"))]
    assert {9090} == set(ports)
    [endpoint] = manifest("PodMonitor")["spec"]["podMetricsEndpoints"]
    [rule] = manifest("NetworkPolicy")["spec"]["ingress"]
    names = [port["name"], service["targetPort"], endpoint["port"], *(to["port"] for to in rule["ports"])]
    assert {"operations"} == set(names)


def test_it_runs_as_the_user_of_the_image() -> None:
    """Who is not root, and may write to /tmp alone."""
    context = manifest("Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert instruction("USER") == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert (True, True) == (context["runAsNonRoot"], container()["securityContext"]["readOnlyRootFilesystem"])
    assert ["/tmp"] == [mount["mountPath"] for mount in container()["volumeMounts"]]  # noqa: S108 - of the container


def test_the_autoscaler_asks_for_what_the_adapter_offers() -> None:
    """Under the same name; and it scales what is deployed."""
    scaler = manifest("HorizontalPodAutoscaler")["spec"]
    rules = yaml.safe_load((DEPLOY / "kubernetes" / "autoscale" / "prometheus-adapter.yaml").read_text())["rules"]
    [offered] = [rule["name"]["as"] for rule in rules["external"]]
    assert offered == scaler["metrics"][0]["external"]["metric"]["name"]
    assert manifest("Deployment")["metadata"]["name"] == scaler["scaleTargetRef"]["name"]


def test_keda_asks_within_its_own_bounds() -> None:
    """For as many slots as a replica has, where the service answers."""
    spec = manifest("ScaledObject")["spec"]
    url = urlsplit(spec["triggers"][0]["metadata"]["url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    bounds = {"min": str(spec["minReplicaCount"]), "max": str(spec["maxReplicaCount"])}
    assert {"slots": environment()["ONEBEAT_CONCURRENCY"], **bounds} == query
    assert (manifest("Service")["metadata"]["name"], 9090) == ((url.hostname or "").partition(".")[0], url.port)
    assert url.path in PATHS
    assert manifest("Deployment")["metadata"]["name"] == spec["scaleTargetRef"]["name"]


def test_who_autoscales_does_not_set_the_number() -> None:
    """An apply would set it back each time."""
    for name in ("autoscale", "keda"):
        file = DEPLOY / "kubernetes" / name / "kustomization.yaml"
        [patch] = yaml.safe_load(file.read_text())["patches"]
        assert [{"op": "remove", "path": "/spec/replicas"}] == yaml.safe_load(patch["patch"])
