"""Reads the instructions of one stage: its layers, and what it says about its image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_sandbox._shared.dockerfile.instruction import DockerfileError, exec_form
from pytest_sandbox._shared.dockerfile.source import heredoc_name, parse
from pytest_sandbox._shared.dockerfile.words import expand, raw_words, words

from .copies import CopyLine
from .failures import refusal
from .mounts import RunMounts, mounts_of
from .packages import LINE as PACKAGES_LINE
from .packages import uses_packages
from .stages import PROXIES, arguments_of
from .steps import LayerPlan, PackagesStep, RunStep, Source, StagePlan, Step, TemporaryFile, layer
from .uv import STANDS_IN, is_of_uv, take_uv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox._shared.dockerfile.instruction import Instruction

    from ..model.images import ImageRecord
    from ..model.local_files import LocalFile
    from .build_input import BuildInput

#: Where steps start in an image that says nothing, as at Docker and Modal.
_ROOT = PurePosixPath("/")
#: Has no effect on a sandbox.
_WITHOUT_EFFECT = frozenset({"EXPOSE", "HEALTHCHECK", "MAINTAINER", "STOPSIGNAL", "VOLUME"})
_NO_TRIGGERS = frozenset({"", "FROM", "MAINTAINER", "ONBUILD"})
_ROOT_USERS = frozenset({"", "root", "0", "root:root", "0:0", "0:root", "root:0"})
#: Asks for the project under test, at its own path, as the working directory.
_PROJECT = "pytest-sandbox.project=true"
#: Where a heredoc is that names its own interpreter.
_SCRIPT = "/tmp/.heredoc"


def triggers(image: ImageRecord) -> tuple[Instruction, ...]:
    """What an image has done in each stage that begins with it."""
    return parse(image.onbuild).instructions


class StageReader:
    """Reads the instructions of one stage.

    Args:
        base: what it begins with.
        image: what that says about environment, command, ...
        arguments: those before the first FROM.
        sources: other images that it needs, by their references, but for that of uv, for which
            the uv of this machine stands in.
        uv: its programs, by name, if an image has them by a copy only.
        around: what the definition is read with.
    """

    def __init__(
        self,
        base: Source,
        image: ImageRecord,
        arguments: Mapping[str, str],
        sources: Mapping[str, Source],
        uv: Mapping[str, LocalFile],
        around: BuildInput,
    ) -> None:
        self._base = base
        self._image = replace(image, onbuild=())
        self._global = arguments
        self._sources = sources
        self._uv = uv
        self._around = around
        self._args: dict[str, str] = {}
        self._layers: list[LayerPlan] = []

    def plan(self) -> StagePlan:
        """What was read."""
        return StagePlan(self._base, tuple(self._layers), self._image)

    def read(self, line: Instruction) -> None:
        """Read one instruction.

        Raises:
            ValueError: it makes no sense.
            GRPCError: UNIMPLEMENTED, or it makes no sense.
        """
        if line.verb in _WITHOUT_EFFECT:
            return
        read = getattr(self, f"_read_{line.verb.lower()}", None)
        if read is None:
            raise DockerfileError("there is no such instruction")
        if line.flags and line.verb not in ("ADD", "COPY", "RUN"):
            raise refusal(line, f"{line.verb} has no flags, such as --{line.flags[0][0]}")
        read(line)

    @property
    def _variables(self) -> dict[str, str]:
        # As with Docker, where each image has a PATH of its own: ENV PATH=/app:$PATH.
        return {"PATH": self._around.search_path, **self._args, **self._image.env}

    def _words(self, line: Instruction) -> list[str]:
        return words(line.rest, self._variables, line.escape)

    def _read_label(self, line: Instruction) -> None:
        if line.rest == _PROJECT:
            self._image = self._around.with_project(self._image)

    def _read_arg(self, line: Instruction) -> None:
        for name, default in arguments_of(line, self._variables):
            value = self._around.build_args.get(name, default)
            if value is None:
                value = self._global.get(name)
            if value is not None:
                self._args[name] = value

    def _read_env(self, line: Instruction) -> None:
        pairs = raw_words(line.rest, line.escape)
        if pairs and "=" not in pairs[0]:  # the old form, of one variable
            old = line.rest.split(None, 1)
            if len(old) == 1:
                raise DockerfileError("a variable needs a value")
            pairs = ["=".join(old)]
        before, env = self._variables, dict(self._image.env)
        for pair in pairs or ("",):
            name, sign, value = pair.partition("=")
            name = expand(name, before, line.escape)
            if not name or not sign:
                raise DockerfileError("it is not NAME=value")
            env[name] = expand(value, before, line.escape)
        self._image = replace(self._image, env=env)

    def _read_workdir(self, line: Instruction) -> None:
        path = expand(line.rest, self._variables, line.escape)
        self._image = replace(self._image, workdir=self._absolute(path))

    def _read_user(self, line: Instruction) -> None:
        user = expand(line.rest, self._variables, line.escape).strip()
        if not user:
            raise DockerfileError("there is no user")
        self._image = replace(self._image, user="" if user in _ROOT_USERS else user)

    def _read_shell(self, line: Instruction) -> None:
        shell = exec_form(line.rest)
        if not shell:
            raise DockerfileError("it is not a JSON list of words")
        self._image = replace(self._image, shell=shell)

    def _read_cmd(self, line: Instruction) -> None:
        self._image = replace(self._image, cmd=self._command(line.rest))

    def _read_entrypoint(self, line: Instruction) -> None:
        self._image = replace(self._image, entrypoint=self._command(line.rest))

    def _read_onbuild(self, line: Instruction) -> None:
        texts = "".join(f"\n{each.body}{each.name}" for each in line.heredocs)
        trigger = line.rest + texts
        verb = line.rest.split(None, 1)[0].upper() if line.rest else ""
        if verb in _NO_TRIGGERS:
            raise DockerfileError("it cannot be done later")
        parse([trigger])
        self._image = replace(self._image, onbuild=(*self._image.onbuild, trigger))

    def _read_run(self, line: Instruction) -> None:
        flags = dict(line.flags)
        network = flags.get("network", "default")
        if other := flags.keys() - {"mount", "network", "security"}:
            raise refusal(line, f"RUN has no --{min(other)}, but --mount and --network")
        if (security := flags.get("security", "sandbox")) != "sandbox":
            raise refusal(line, f"--security={security} must be sandbox, or left out")
        if network not in ("default", "none"):
            raise refusal(line, f"--network={network} must be none, or left out")
        argv, files = self._run_command(line)
        if not argv:
            raise DockerfileError("there is no command")
        mounts = RunMounts(
            self._around.context,
            self._sources,
            self._around.secrets,
            self._variables,
            self._image.workdir or str(_ROOT),
        )
        mounts.add(mounts_of(line))
        step = self._run_step(argv)
        step = replace(
            step,
            secrets={**step.secrets, **mounts.env},
            network=network == "default",
            files=files,
            secret_files=tuple(mounts.secret_files),
            caches=tuple(mounts.caches),
            binds=tuple(mounts.binds),
            empty=tuple(mounts.empty),
        )
        if uses_packages(step):
            step = replace(step, offline=not (step.network and self._around.network))
            if self._around.packages and self._image.of_machine and not self._image.packages:
                self._image = replace(self._image, packages=True)
                self._add(PACKAGES_LINE, PackagesStep())
        self._add(str(line), step)

    def _run_command(self, line: Instruction) -> tuple[tuple[str, ...], tuple[TemporaryFile, ...]]:
        """The command of RUN, and the script that it is, if so."""
        if not line.heredocs:
            return self._command(line.rest), ()
        if heredoc_name(line.rest, line.escape) is None:
            # They belong to a command; the shell reads them itself, as with BuildKit.
            texts = "".join(f"\n{each.body}{each.name}" for each in line.heredocs)
            return (*self._image.shell, f"{line.rest}{texts}\n"), ()
        content = line.heredocs[0].content
        if not content.startswith("#!"):
            return (*self._image.shell, content), ()
        data = content.encode("utf-8", "surrogateescape")
        return (_SCRIPT,), (TemporaryFile(_SCRIPT, data, 0o755),)

    def _read_copy(self, line: Instruction) -> None:
        self._copy(line)

    def _read_add(self, line: Instruction) -> None:
        self._copy(line)

    def _copy(self, line: Instruction) -> None:
        source = dict(line.flags).get("from", "")
        copy = CopyLine(line, self._variables, self._absolute)
        if source and source not in self._sources:  # which is the image of uv
            if not is_of_uv(copy):
                raise refusal(line, f"of {source}, only the programs uv and uvx can be copied")
            taken = take_uv(copy, self._run_step(()), self._uv)
            self._add(f"{line}{STANDS_IN}", taken)
        else:
            self._add(str(line), copy.step(self._sources.get(source), self._around.context))

    def _run_step(self, argv: tuple[str, ...]) -> RunStep:
        around = self._around
        # Variables of the image win over arguments of the same name.
        args = {name: value for name, value in self._args.items() if name not in self._image.env}
        proxies = {name: value for name, value in around.build_args.items() if name in PROXIES}
        return RunStep(
            argv,
            {name: value for name, value in args.items() if name not in PROXIES},
            dict(around.secrets),
            around.secrets_digest,
            user=self._image.user,
            proxies=proxies,
        )

    def _add(self, line: str, step: Step) -> None:
        image = replace(self._image, workdir=self._image.workdir or str(_ROOT))
        below = self._layers[-1].key if self._layers else self._base.key
        self._layers.append(layer(line, step, image, below))

    def _command(self, text: str) -> tuple[str, ...]:
        """A command: a JSON list of words, or else a line for the shell."""
        found = exec_form(text)
        if found is None and not text:
            raise DockerfileError("there is no command")
        return (*self._image.shell, text) if found is None else found

    def _absolute(self, path: str) -> str:
        if not path:
            raise DockerfileError("there is no path")
        return str(PurePosixPath(self._image.workdir or _ROOT) / path)
