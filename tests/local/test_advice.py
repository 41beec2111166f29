"""Where no mode works, the advice is for the place where the tests run, and complete."""

import os

import pytest

from pytest_sandbox.local.engine.machine import advice as advising
from pytest_sandbox.local.engine.machine import surroundings as around
from pytest_sandbox.local.engine.machine.advice import advice
from pytest_sandbox.local.engine.machine.mode_refused import ModeRefused
from pytest_sandbox.local.engine.machine.surroundings import Surroundings, surroundings
from pytest_sandbox.local.kernel import caps

REFUSALS = [ModeRefused("one", "do this"), ModeRefused("two"), ModeRefused("three", "do this")]


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(around, "_is_confined", lambda: True)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(caps, "has", lambda _: True)


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("variable", "place", "said"),
    [
        ("GITHUB_ACTIONS", Surroundings.GITHUB, "options: --privileged"),
        ("GITLAB_CI", Surroundings.GITLAB, "privileged = true"),
        ("KUBERNETES_SERVICE_HOST", Surroundings.KUBERNETES, "hostUsers: false"),
    ],
)
def test_containers_of_ci(
    monkeypatch: pytest.MonkeyPatch, variable: str, place: Surroundings, said: str
) -> None:
    monkeypatch.setenv(variable, "true")

    assert surroundings() is place
    assert advice(REFUSALS).startswith(f"This is a {place.value}.\n")
    assert said in advice(REFUSALS)


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("user", [0, 1000])
def test_docker(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.dockerenv")

    lines = advice(REFUSALS).splitlines()

    assert lines[0] == "This is a Docker container."
    runs = [line for line in lines if line.startswith("docker run ")]
    assert len(runs) == (2 if user == 0 else 1)
    assert "systempaths=unconfined" in runs[0]
    assert ("docker run --privileged ..." in runs) == (user == 0)


@pytest.mark.usefixtures("confined")
def test_capabilities_that_root_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(advising, "is_root_of_machine", lambda: True)
    monkeypatch.setattr(caps, "has", lambda number: number == caps.KEPT["SETUID"])
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.dockerenv")

    runs = [line for line in advice(REFUSALS).splitlines() if line.startswith("docker run ")]

    assert len(runs) == 3
    assert runs[0].endswith(" --cap-add DAC_OVERRIDE --cap-add SETGID ...")
    assert runs[1].startswith("docker run --user 1000:1000 --security-opt ")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    # With `hostUsers: false` root maps its own id.
    assert advice(REFUSALS).endswith(", capabilities: {add: [SETFCAP, SETGID]}}`")
    monkeypatch.setattr(advising, "surroundings", lambda: Surroundings.MACHINE)
    monkeypatch.setattr(advising, "is_root_of_machine", lambda: False)
    assert advice(REFUSALS).startswith("Root lacks capabilities: SETFCAP, SETGID.\n")


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("filtered", [False, True])
def test_podman(monkeypatch: pytest.MonkeyPatch, *, filtered: bool) -> None:
    """Its own filter of system calls allows user namespaces; another one may not."""
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/run/.containerenv")
    monkeypatch.setattr(advising, "user_namespaces_are_refused", lambda: filtered)

    runs = [line for line in advice(REFUSALS).splitlines() if line.startswith("podman run ")]

    assert "--security-opt unmask=ALL" in runs[0]
    assert ("seccomp=unconfined" in runs[0]) == filtered


@pytest.mark.usefixtures("confined")
def test_settings_of_the_machine_count_in_containers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.dockerenv")
    monkeypatch.setattr(advising, "sysctl", lambda name: "1" if "apparmor" in name else None)

    assert advice(REFUSALS).splitlines()[-2:] == [
        "and before that, on the machine that runs it:",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ]


def test_on_a_machine_all_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advising, "surroundings", lambda: Surroundings.MACHINE)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(advising, "sysctl", lambda name: "1" if "apparmor" in name else "0")

    lines = advice(REFUSALS).splitlines()

    assert len(lines) == 3
    assert all(line.startswith("sudo sysctl -w ") for line in lines)


def test_else_each_remedy_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advising, "surroundings", lambda: Surroundings.MACHINE)
    monkeypatch.setattr(advising, "sysctl", lambda _: None)
    monkeypatch.setattr(caps, "has", lambda _: True)

    assert advice(REFUSALS) == "do this"


def test_here_is_a_machine() -> None:
    """Also if it was made from the image of a container, with its marks."""
    assert surroundings() is Surroundings.MACHINE
