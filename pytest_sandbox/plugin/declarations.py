"""What pytest has to know in every run: the options, the settings of the ini file, the markers."""

from __future__ import annotations

import os
from typing import Any, Literal

import pytest

ENGINE_VARIABLE = "PYTEST_SANDBOX_ENGINE"
#: The marker for tests on several engines, and the parameter that it adds.
ENGINES_MARKER = "parametrize_engines"
ENGINE_PARAMETER = "sandbox_engine_of_test"

_ENGINE_HELP = (
    "Where sandboxes run: auto (the default, means local; never anything weaker), local, fake (in "
    "memory), modal (Modal's cloud, which costs money), process, which does not isolate, for "
    "machines that allow nothing better, ray or ray://HOST:PORT, a cluster of Ray, or the address "
    "of an engine on another machine: what `pytest-sandbox serve --listen` prints there, or "
    "ssh://HOST."
)
_IMAGE_HELP = (
    "The image of sandboxes whose marker names none: host (the default), the view of this machine, "
    "or the name of one in a registry, such as alpine:3.21."
)
_IMAGE_LOCK_HELP = (
    "Whether sandbox-image.lock in the rootdir pins the tags of images: off (the default), on, or "
    "update, which looks up where they lead now and writes the file."
)
_IMAGE_ALIASES_HELP = (
    "Names of images that mean another one, one per line: 'python:3.* = host'. Debian and Python "
    "images mean host unless a line says otherwise."
)
_ENGINE_OPTION_HELP = (
    "An option of the engine, such as criu=/usr/sbin/criu; repeat it for more. It replaces the "
    "option of the same name in the ini file."
)
_NETWORK_HELP = (
    "What sandboxes reach that say nothing about it: none (the default) for their own loopback "
    "interface, open for all public addresses."
)
_PROJECT_HELP = (
    "Whether sandboxes show pytest's rootdir, without what git ignores and without secrets, unless "
    "their marker says project=False: for the engine local."
)
_POOL_HELP = (
    "Whether the engine makes sandboxes ahead, such as that of the next test while a test runs: "
    "auto (the default) or off."
)
_EARLY_START_HELP = (
    "Whether the engine may start while pytest still collects (the default), or starts once a test "
    "needs it."
)
_REPORT_LINES_HELP = (
    "How many lines of the end of each output the report of a failing test shows, and 80 times as "
    "many bytes: 25 (the default), 250 with -vv; at most 800."
)
_CLOUD_LIFETIME_HELP = (
    "Seconds that a sandbox in Modal's cloud may live, whatever its timeout: 3600 (the default); "
    "at most 86400."
)
_BLOCK_CLOUD_HELP = (
    "Whether only tests marked with cloud may reach Modal's cloud: on, off, or auto (the default), "
    "which is on in CI (where CI is set) without a token for Modal."
)
_STRICT_HELP = "Fail a test that leaves something behind in a sandbox."
_GPU_HELP = (
    "Tests marked with gpu: auto (the default) runs them where the GPUs are, and else skips them "
    "and says why; skip skips them; require makes such a skip an error; fake simulates the GPUs."
)
_GPU_STRICT_HELP = (
    "Fail a test that never opened the GPUs that it asked for, or used one without the marker gpu."
)
_GPU_WAIT_HELP = "Seconds that a test waits for GPUs that others have: 600 (the default)."
_ALLOW_HELP = (
    "Rules that tests with fake_sandboxes may break; see the docs of the engine in memory."
)
_PRESET_HELP = (
    "TOML file, relative to rootdir, with the secrets, volumes, proxies and environments that "
    "Modal's clients find by name in tests with modal_server."
)


#: The options, each with further arguments of `addoption`.
_OPTIONS: dict[str, dict[str, Any]] = {
    "--sandbox-block-cloud": {
        "nargs": "?",
        "const": "on",
        "metavar": "WHEN",
        "help": _BLOCK_CLOUD_HELP,
    },
    "--sandbox-engine": {"metavar": "ENGINE", "help": _ENGINE_HELP},
    "--sandbox-engine-option": {
        "dest": "sandbox_engine_options",
        "action": "append",
        "metavar": "NAME=VALUE",
        "help": _ENGINE_OPTION_HELP,
    },
    "--sandbox-image": {"metavar": "IMAGE", "help": _IMAGE_HELP},
    "--sandbox-image-lock": {"metavar": "MODE", "help": _IMAGE_LOCK_HELP},
    "--sandbox-network": {"metavar": "NETWORK", "help": _NETWORK_HELP},
    "--sandbox-pool": {"metavar": "POOL", "help": _POOL_HELP},
    "--sandbox-project": {"action": "store_true", "default": None, "help": _PROJECT_HELP},
    "--sandbox-report-lines": {"metavar": "LINES", "help": _REPORT_LINES_HELP},
    "--sandbox-strict": {"action": "store_true", "default": None, "help": _STRICT_HELP},
    "--gpu": {"metavar": "MODE", "help": _GPU_HELP},
    "--gpu-strict": {"action": "store_true", "default": None, "help": _GPU_STRICT_HELP},
    "--gpu-wait": {"metavar": "SECONDS", "help": _GPU_WAIT_HELP},
}
#: The settings of the ini file, each with its help, type and default.
_SETTINGS: dict[str, tuple[str, Literal["string", "bool", "linelist", "args"], Any]] = {
    "sandbox_block_cloud": (_BLOCK_CLOUD_HELP, "string", ""),
    "sandbox_cloud_lifetime": (_CLOUD_LIFETIME_HELP, "string", ""),
    "sandbox_early_start": (_EARLY_START_HELP, "bool", True),
    "sandbox_engine": (_ENGINE_HELP, "string", ""),
    "sandbox_engine_options": (_ENGINE_OPTION_HELP, "linelist", []),
    "sandbox_image": (_IMAGE_HELP, "string", ""),
    "sandbox_image_aliases": (_IMAGE_ALIASES_HELP, "linelist", []),
    "sandbox_image_lock": (_IMAGE_LOCK_HELP, "string", ""),
    "sandbox_network": (_NETWORK_HELP, "string", ""),
    "sandbox_pool": (_POOL_HELP, "string", ""),
    "sandbox_project": (_PROJECT_HELP, "bool", False),
    "sandbox_report_lines": (_REPORT_LINES_HELP, "string", ""),
    "sandbox_strict": (_STRICT_HELP, "bool", False),
    "gpu": (_GPU_HELP, "string", ""),
    "gpu_strict": (_GPU_STRICT_HELP, "bool", False),
    "gpu_wait": (_GPU_WAIT_HELP, "string", ""),
    "fake_sandboxes_allow": (_ALLOW_HELP, "args", []),
    "modal_server_preset": (_PRESET_HELP, "string", ""),
}
#: The markers, each with what `pytest --markers` says of it.
MARKERS = {
    "cloud": (
        "cloud: the test is meant to reach Modal's cloud (with --sandbox-engine=modal), and may "
        "where --sandbox-block-cloud keeps others from it."
    ),
    "sandbox": (
        "sandbox(alias=..., block_network=..., cidr_allowlist=..., cpu=..., encrypted_ports=..., "
        "env=..., gpu=..., h2_ports=..., inbound_cidr_allowlist=..., idle_timeout=..., image=..., "
        "isolation=..., memory=..., name=..., network=..., outbound_cidr_allowlist=..., "
        "outbound_domain_allowlist=..., project=..., pty=..., readiness_probe=..., secrets=..., "
        "timeout=..., unencrypted_ports=..., verbose=..., volumes=..., workdir=...): shape the "
        "sandboxes of a test; project=True shows rootdir; isolation='full' refuses engines "
        "that do not isolate; each other key is the parameter of that "
        "name of Sandbox.create, and for each key the closest marker wins."
    ),
    "fake_sandboxes": (
        "fake_sandboxes(allow=..., autojump=..., disk=..., files=..., gpus=..., network=..., "
        "volume_semantics=...): shape the engine in memory of a test; for each key the closest "
        "marker wins, except that allow=[...] adds up."
    ),
    ENGINES_MARKER: (
        "parametrize_engines(*names): run the test on each of these engines ('local', 'fake', "
        "'process', an address), where the fixture parity compares what it finds."
    ),
    "modal_server": (
        "modal_server(engine=..., preset=..., in_process=...): engine='fake' serves real Modal "
        "clients from an engine in memory, shaped by the keys of fake_sandboxes; "
        "preset='FILE.toml' sets up what they find by name; in_process=False is for a test whose "
        "clients are in other processes only, so that modal need not be installed here."
    ),
    "gpu": (
        "gpu(kind=None, *, count=1, memory=None): the test needs GPUs; kind: 'H100', 'H100:2', "
        "'any', or a list, of which the first that can be had will do; memory: MiB of each, to "
        "share it with others."
    ),
}


def declare_options(parser: pytest.Parser) -> None:
    """Declare the options, and the settings of the ini file."""
    group = parser.getgroup("sandbox", "sandboxes")
    for option, keywords in _OPTIONS.items():
        group.addoption(option, **keywords)
    for name, (text, kind, default) in _SETTINGS.items():
        parser.addini(name, text, type=kind, default=default)


def declare_markers(config: pytest.Config) -> None:
    """Declare the markers, for `--strict-markers` and `pytest --markers`."""
    for text in MARKERS.values():
        config.addinivalue_line("markers", text)


def is_set(config: pytest.Config) -> bool:
    """Whether a user has set anything, even something invalid."""
    given = vars(config.option)
    names = [each.get("dest", name[2:].replace("-", "_")) for name, each in _OPTIONS.items()]
    if os.environ.get(ENGINE_VARIABLE) or any(given.get(name) is not None for name in names):
        return True
    try:
        return any(config.getini(name) != each[2] for name, each in _SETTINGS.items())
    except (ValueError, TypeError, pytest.UsageError):
        return True
