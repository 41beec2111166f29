"""Engines by name: the ones of this package, and those that others provide."""

from collections.abc import Callable, Mapping

import pluggy

from .engine import Engine, EngineUnavailable, SystemClock, check_options

#: What is called to make an engine: the options of the command line, name to value.
EngineFactory = Callable[[Mapping[str, str]], Engine]

hookspec = pluggy.HookspecMarker("pytest_sandbox")
hookimpl = pluggy.HookimplMarker("pytest_sandbox")


class EngineHooks:
    """What a package provides that brings engines.

    It names a module or an object with this hook in the entry-point group `pytest_sandbox`.
    """

    @hookspec
    def pytest_sandbox_engines(self) -> Mapping[str, EngineFactory]:
        """Engines by name; each factory is called with the options of the command line.

        Raises:
            EngineUnavailable: from a factory, for options it cannot use.
        """
        raise NotImplementedError


def load_engine(name: str, options: Mapping[str, str] | None = None) -> Engine:
    """An engine by name, not yet started.

    Args:
        name: `"local"`, `"fake"`, or what an installed package provides.
        options: for the engine, name to value as text.

    Raises:
        EngineUnavailable: there is none of that name, or it cannot use the options.
    """
    if name in _BUILTIN:
        return _BUILTIN[name](options or {})
    others = _provided()
    if name not in others:
        known = ", ".join(sorted({*_BUILTIN, *others}))
        raise EngineUnavailable(
            f"there is no engine {name!r}",
            f"Use one of: {known}; or install the package that provides it.",
        )
    return others[name](options or {})


def _local(options: Mapping[str, str]) -> Engine:
    from .local import LocalEngine, LocalOptions  # late: a server with another engine needs none

    return LocalEngine(LocalOptions.parse(options))


def _fake(options: Mapping[str, str]) -> Engine:
    from .fakes import FakeEngine

    check_options("fake", options, ())
    # Reached from other processes it runs on the time of the machine; a clock that stands still
    # is for tests that hold the engine.
    return FakeEngine(clock=SystemClock())


_BUILTIN: dict[str, EngineFactory] = {"fake": _fake, "local": _local}


def _provided() -> dict[str, EngineFactory]:
    manager = pluggy.PluginManager("pytest_sandbox")
    manager.add_hookspecs(EngineHooks)
    manager.load_setuptools_entrypoints("pytest_sandbox")
    provided: dict[str, EngineFactory] = {}
    for engines in manager.hook.pytest_sandbox_engines():
        provided.update(engines)
    return provided
