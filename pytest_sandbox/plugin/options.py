"""The options, their sources, and the line of pytest's header that shows both.

An option on the command line wins over the environment variable, which wins over the ini file,
which wins over the default.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from pytest_sandbox._shared.engine_options import (
    CLOUD_ENGINE,
    NOT_ISOLATED,
    RAY,
    is_elsewhere,
    parse_engine_options,
)
from pytest_sandbox._shared.image_names import HOST, may_name_image
from pytest_sandbox._shared.suggestions import did_you_mean

from .declarations import ENGINE_PARAMETER, ENGINE_VARIABLE
from .gpu.options import gpu_settings

#: The engine gives no more than 64 KiB of the end of an output, which is 80 bytes a line.
MOST_REPORT_LINES = 800

_ENGINES = ("auto", "local", "fake", RAY, CLOUD_ENGINE, *NOT_ISOLATED)
_IMAGE_LOCKS = ("off", "on", "update")
#: The image of sandboxes in Modal's cloud whose marker names none: there is no machine to view.
_CLOUD_IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
_BLOCK_CLOUD = ("auto", "on", "off")
#: Seconds that Modal lets a sandbox live.
_LONGEST_LIFE = 24 * 3600
#: In the rootdir.
_LOCK_FILE = "sandbox-image.lock"
_NETWORKS = ("none", "open")
_POOLS = ("auto", "off")


class Settings(NamedTuple):
    """The effective settings of a run.

    Attributes:
        engine: the engine to start, `"local"`, `"fake"`, `"process"`, ...
        chosen: the engine and the source of the choice, for the header.
        image: the image of sandboxes whose marker names none.
        image_source: the source of that choice.
        report_lines: how many lines of each output a report shows.
        strict: whether a test fails that leaves something behind.
        pool: whether the engine makes sandboxes ahead.
        early_start: whether the engine may start while pytest collects.
        project: whether sandboxes show the project.
        blocks_cloud: why tests that are not marked with cloud must not reach Modal's; empty if they
            may.
        engine_options: of the engine, name to value.
    """

    engine: str
    chosen: str
    image: str
    image_source: str
    report_lines: int
    strict: bool
    pool: bool
    early_start: bool
    project: bool
    blocks_cloud: str
    engine_options: Mapping[str, str]

    @property
    def header(self) -> str:
        """The line for the header of a run."""
        image = "" if self.image_source == "default" else f", {self.image} ({self.image_source})"
        everybody = self.engine_options.get("tunnels") == "everybody"
        tunnels = ", tunnels open to all users of this machine" if everybody else ""
        warning = f": {NOT_ISOLATED[self.engine]}" if self.engine in NOT_ISOLATED else ""
        strict = ", strict" if self.strict else ""
        return f"sandbox: {self.chosen}{image}{strict}{tunnels}{warning}"


_SETTINGS = pytest.StashKey[Settings]()
#: Those of engines that only some tests use.
_OTHERS = pytest.StashKey["dict[str, Settings]"]()


# Not in pytest_configure, which `pytest --help` calls too: help must work on a broken setting.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse invalid settings before any test runs."""
    settings(session.config)


def settings(config: pytest.Config) -> Settings:
    """The settings of a run.

    Raises:
        pytest.UsageError: they are invalid.
    """
    if _SETTINGS not in config.stash:
        asked, source = _with_source(config, "engine", "auto", ENGINE_VARIABLE)
        if problem := problem_with_engine(asked):
            raise pytest.UsageError(
                f"the sandbox engine {without_token(asked)!r} ({source}) {problem}"
            )
        engine = "local" if asked == "auto" else asked
        auto = "auto, " if asked == "auto" else ""
        chosen = f"{_shown(engine, source)} ({auto}{source})"
        options = _given_options(config, engine)
        config.stash[_SETTINGS] = _resolve(config, engine, chosen, options)
    return config.stash[_SETTINGS]


def settings_for(config: pytest.Config, engine: str) -> Settings:
    """The settings for another engine than that of the run, whose own options it does not have.

    Raises:
        pytest.UsageError: it cannot have the others.
    """
    others = config.stash.setdefault(_OTHERS, {})
    if engine not in others:
        others[engine] = _resolve(config, engine, engine, {})
    return others[engine]


def chosen_engine(item: pytest.Item) -> str:
    """The name of the engine that `parametrize_engines` chose for a test; empty without it."""
    callspec: Any = getattr(item, "callspec", None)
    name: str = callspec.params.get(ENGINE_PARAMETER, "") if callspec is not None else ""
    return name


def engine_of(item: pytest.Item) -> str:
    """The name of the engine of a test."""
    return chosen_engine(item) or settings(item.config).engine


def has_engine_of_run(item: pytest.Item) -> bool:
    """Whether the engine of a test is that of the run."""
    return chosen_engine(item) in ("", settings(item.config).engine)


def _resolve(config: pytest.Config, engine: str, chosen: str, given: Mapping[str, str]) -> Settings:
    image, image_source = _with_source(
        config, "image", _CLOUD_IMAGE if engine == CLOUD_ENGINE else HOST
    )
    if not may_name_image(image):
        raise pytest.UsageError(
            f"the sandbox image {image!r} ({image_source}) cannot exist; use host, or the name of "
            "an image such as alpine:3.21"
        )
    pool, pool_source = _with_source(config, "pool", "auto")
    if pool not in _POOLS:
        raise pytest.UsageError(
            f"the sandbox pool {pool!r} ({pool_source}) does not exist; there are auto and off"
        )
    blocks_cloud = _blocks_cloud(config) if engine == CLOUD_ENGINE else ""
    return Settings(
        engine=engine,
        chosen=chosen,
        image=image,
        image_source=image_source,
        report_lines=_report_lines(config),
        strict=_flag(config, "strict"),
        pool=pool == "auto" and engine != CLOUD_ENGINE,
        early_start=_ini_flag(config, "early_start") and not blocks_cloud,
        project=_flag(config, "project"),
        blocks_cloud=blocks_cloud,
        engine_options=_engine_options(config, engine, given, pool=pool),
    )


def _given_options(config: pytest.Config, engine: str) -> dict[str, str]:
    """The options of the ini file, overridden by those of the command line."""
    source = "ini sandbox_engine_options"
    try:
        options = parse_engine_options(config.getini("sandbox_engine_options"))
        source = "option --sandbox-engine-option"
        options |= parse_engine_options(config.getoption("sandbox_engine_options") or ())
    except ValueError as error:
        raise pytest.UsageError(f"{source}: {error}") from None
    if options and engine == "fake":
        # It is created anew in this process for each test, where no other check would see them.
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        raise pytest.UsageError(f"the sandbox engine 'fake' has no options, got {given}")
    return options


def _engine_options(
    config: pytest.Config, engine: str, given: Mapping[str, str], *, pool: str
) -> dict[str, str]:
    """The options that were given, and those that other settings are for the engine."""
    options = dict(given)
    network, source = _with_source(config, "network", "none")
    if network not in _NETWORKS:
        raise pytest.UsageError(
            f"the sandbox network {network!r} ({source}) does not exist; there are none and open"
        )
    if engine in NOT_ISOLATED and network != "none":
        raise pytest.UsageError(
            f"the sandbox network {network!r} ({source}) is not for the engine {engine!r}, whose "
            "sandboxes have the network of this machine"
        )
    if engine == "fake":  # it is told when it is made
        return options
    if engine == CLOUD_ENGINE:  # images and networks are Modal's, and known by no other name
        return {**_cloud_options(config), **options}
    options = {**_image_options(config), **options}
    remote = is_elsewhere(engine)
    if engine != "local" and not remote:
        return options
    wanted = {} if network == "none" else {"network": network}
    if gpu_settings(config).mode == "fake":
        wanted["gpus"] = "simulated"
    if pool != "auto":
        wanted["pool"] = pool
    # The engine shows the project only in sandboxes that ask for it, and one elsewhere has none.
    project = {} if remote else {"project": str(config.rootpath)}
    return {**project, **wanted, **options}


def _blocks_cloud(config: pytest.Config) -> str:
    """Why tests without the marker must not reach the cloud; empty if they may."""
    when, source = _with_source(config, "block_cloud", "auto")
    if when not in _BLOCK_CLOUD:
        raise pytest.UsageError(
            f"sandbox block cloud {when!r} ({source}) does not exist; there are "
            f"{', '.join(_BLOCK_CLOUD)}"
        )
    if when == "auto":
        without = bool(os.environ.get("CI")) and not _may_have_token()
        return "is not done in CI without a token for Modal" if without else ""
    return f"{source} does not allow" if when == "on" else ""


def _may_have_token() -> bool:
    """Whether there is anything in which a token for Modal could be."""
    path = os.environ.get("MODAL_CONFIG_PATH") or os.path.expanduser("~/.modal.toml")
    return bool(os.environ.get("MODAL_TOKEN_ID")) or os.path.isfile(path)


def _cloud_options(config: pytest.Config) -> dict[str, str]:
    """Options of the engine in Modal's cloud; those with their defaults are left out."""
    text = str(config.getini("sandbox_cloud_lifetime"))
    if not text:
        return {}
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_LIFE:
        raise pytest.UsageError(
            f"ini sandbox_cloud_lifetime must be a number of seconds from 1 to {_LONGEST_LIFE}, "
            f"got {text!r}"
        )
    return {"lifetime": text}


def _image_options(config: pytest.Config) -> dict[str, str]:
    """Options of the server about images of registries; those with their defaults are left out."""
    options = {}
    lock, source = _with_source(config, "image_lock", "off")
    if lock not in _IMAGE_LOCKS:
        raise pytest.UsageError(
            f"{lock!r} ({source}) is not a way to pin images; there are {', '.join(_IMAGE_LOCKS)}"
        )
    if lock != "off":
        options["image_lock"] = str(config.rootpath / _LOCK_FILE)
    if lock == "update":
        options["image_lock_update"] = "yes"
    aliases = [line.strip() for line in config.getini("sandbox_image_aliases")]
    for line in aliases:
        name, equals, meant = line.partition("=")
        if not equals or not name.strip() or not may_name_image(meant.strip()) or "," in line:
            raise pytest.UsageError(
                f"ini sandbox_image_aliases: expected NAME = IMAGE, as in python:3.* = host, "
                f"not {line!r}"
            )
    if aliases:
        options["image_aliases"] = ",".join(aliases)
    return options


def network_setting(config: pytest.Config) -> str:
    """The network of sandboxes that say nothing about it: `"none"` or `"open"`."""
    return _with_source(config, "network", "none")[0]


def _with_source(
    config: pytest.Config, name: str, default: str, variable: str = ""
) -> tuple[str, str]:
    """The value of a setting, and a description of its source."""
    candidates = (
        (config.getoption(f"sandbox_{name}"), f"option --sandbox-{name.replace('_', '-')}"),
        (os.environ.get(variable), f"environment variable {variable}"),
        (config.getini(f"sandbox_{name}"), f"ini sandbox_{name}"),
    )
    return next(((value, source) for value, source in candidates if value), (default, "default"))


def problem_with_engine(name: str) -> str:
    """Why there is no engine of this name, as the end of a sentence; empty if there may be one."""
    if "@" in name and not is_elsewhere(name):
        return "does not exist; an address begins with grpc+tls://, grpc:// or ssh://"
    if name in _ENGINES or is_elsewhere(name) or _others_provide_engines():
        return ""
    hint = did_you_mean(name, _ENGINES) or (
        "there are local, fake, modal, process and ray, and addresses as of "
        "`pytest-sandbox serve --listen`"
    )
    return f"does not exist; {hint}"


def without_token(name: str) -> str:
    """The name of an engine that may be an address, fit for an error."""
    if "@" not in name:
        return name
    from pytest_sandbox._shared.network.engine_address import hidden

    return hidden(name)


def _shown(engine: str, source: str) -> str:
    """The name of an engine for people, in which no token is."""
    if "://" not in engine:
        return engine
    from pytest_sandbox._shared.network.engine_address import InvalidAddress, place_of

    try:
        return place_of(engine)
    except InvalidAddress as error:
        raise pytest.UsageError(f"{source}: {error}") from None


def _report_lines(config: pytest.Config) -> int:
    default = "250" if config.getoption("verbose") >= 2 else "25"
    text, source = _with_source(config, "report_lines", default)
    if not text.isdecimal() or not 1 <= int(text) <= MOST_REPORT_LINES:
        raise pytest.UsageError(
            f"sandbox report lines ({source}) must be a number from 1 to {MOST_REPORT_LINES}, "
            f"got {text!r}"
        )
    return int(text)


def _others_provide_engines() -> bool:
    """Whether an installed package provides engines.

    The engine process finds out which ones: asking here would import the package.
    """
    from importlib.metadata import entry_points

    return bool(entry_points(group="pytest_sandbox"))


def _flag(config: pytest.Config, name: str) -> bool:
    return bool(config.getoption(f"sandbox_{name}")) or _ini_flag(config, name)


def _ini_flag(config: pytest.Config, name: str) -> bool:
    try:
        return bool(config.getini(f"sandbox_{name}"))
    except (ValueError, TypeError, pytest.UsageError) as error:
        raise pytest.UsageError(f"ini sandbox_{name}: {error}") from None
