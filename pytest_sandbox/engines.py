"""Engines by name: the ones of this package, and those that others provide."""

from collections.abc import Callable, Mapping

import pluggy

from .engine import Engine, EngineUnavailable, SystemClock, check_options

#: Makes an engine that is not started, from the options of the command line, name to value as
#: text. It refuses those that it does not have or cannot use with `EngineUnavailable`:
#: `check_options` and `invalid_option` of `pytest_sandbox.engine` are for that.
EngineFactory = Callable[[Mapping[str, str]], Engine]

hookspec = pluggy.HookspecMarker("pytest_sandbox")
#: Marks the implementation of a hook in a package that brings engines.
hookimpl = pluggy.HookimplMarker("pytest_sandbox")


class EngineHooks:
    """The hooks of packages that bring engines.

    Such a package implements them as functions of a module, marked with `hookimpl`, and names the
    module in the entry-point group `pytest_sandbox`:

        [project.entry-points.pytest_sandbox]
        my-engine = "my_engine"

    Then `--sandbox-engine=NAME`, `pytest-sandbox serve --engine NAME` and `load_engine` find its
    engines. docs/writing-an-engine.md shows a whole one.
    """

    @hookspec
    def pytest_sandbox_engines(self) -> Mapping[str, EngineFactory]:
        """The engines of the package, a factory for each name.

            @hookimpl
            def pytest_sandbox_engines():
                return {"mine": lambda options: MyEngine(options.get("host", "localhost"))}

        A factory is called in the process that runs the engine, when the engine is chosen.
        """
        raise NotImplementedError


def load_engine(name: str, options: Mapping[str, str] | None = None) -> Engine:
    """An engine by name, not yet started.

    Args:
        name: `"local"`, `"fake"`, `"process"`, `"ray"`, the address of an engine on another
            machine or of a cluster of Ray, or what an installed package provides.
        options: for the engine, name to value as text.

    Raises:
        EngineUnavailable: there is none of that name, or it cannot use the options.
    """
    if name in _BUILTIN:
        return _BUILTIN[name](options or {})
    if name.partition("://")[0] == "ray":
        return _ray(name, options or {})
    if "://" in name:
        return _remote(name, options or {})
    others = _provided()
    if name not in others:
        from ._shared.network.engine_address import hidden

        known = ", ".join(sorted({*_BUILTIN, *others}))
        raise EngineUnavailable(
            f"there is no engine {hidden(name)!r}",
            f"Use one of: {known}; or install the package that provides it.",
        )
    return others[name](options or {})


def _local(options: Mapping[str, str]) -> Engine:
    from .local import LocalEngine, LocalOptions  # late: a server with another engine needs none

    return LocalEngine(LocalOptions.parse(options))


def _fake(options: Mapping[str, str]) -> Engine:
    from .fakes import FakeEngine, ScriptedSandboxes

    check_options("fake", options, ("script",))
    # Reached from other processes it runs on the time of the machine; a clock that stands still
    # is for tests that hold the engine.
    engine = FakeEngine(clock=SystemClock())
    if "script" in options:
        ScriptedSandboxes(engine).run_file(options["script"])
    return engine


def _process(options: Mapping[str, str]) -> Engine:
    from .processes import ProcessEngine, ProcessOptions  # late, as the local one

    return ProcessEngine(ProcessOptions.parse(options))


def _remote(name: str, options: Mapping[str, str]) -> Engine:
    from ._shared.network.engine_address import InvalidAddress, RemoteAddress
    from .remote import RUN_OPTIONS, remote_engine

    check_options(name.partition("://")[0], options, RUN_OPTIONS)
    try:
        return remote_engine(RemoteAddress.parse(name), options)
    except InvalidAddress as error:
        raise EngineUnavailable(error.reason, error.remedy) from None


def _ray(name: str, options: Mapping[str, str]) -> Engine:
    from .cluster import ClusterEngine, RayPlacer
    from .remote import RUN_OPTIONS

    check_options("ray", options, RUN_OPTIONS)
    return ClusterEngine(RayPlacer(name, options))


_BUILTIN: dict[str, EngineFactory] = {"fake": _fake, "local": _local, "process": _process}


def _provided() -> dict[str, EngineFactory]:
    manager = pluggy.PluginManager("pytest_sandbox")
    manager.add_hookspecs(EngineHooks)
    manager.load_setuptools_entrypoints("pytest_sandbox")
    provided: dict[str, EngineFactory] = {}
    for engines in manager.hook.pytest_sandbox_engines():
        provided.update(engines)
    return provided
