"""The methods of an image that add a step to it, with the names and arguments that Modal has."""

from __future__ import annotations

import json
import os
import shlex
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError
from ..refusals import refused
from ..secrets.secret import Secret, check_secrets
from ..validation import check_environment, check_list, refuse
from .patterns import ignoring

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from typing_extensions import Self

    from .local_tree import LocalTree

__tracebackhide__ = True  # a failing test shows the caller's line, not these


class ImageMethods(ABC):
    """Methods that return another image: this one, and a step more.

    Nothing happens until a sandbox is created from it. The server has each step already, or builds
    it; see [Images](images.md#steps).
    """

    @abstractmethod
    def _on_this(self, lines: Sequence[str], **layer: Any) -> Self:
        """The image with these lines on this one."""

    @abstractmethod
    def _with_files(self, tree: LocalTree, *, copy: bool) -> Self:
        """The image with these files."""

    def pip_install(
        self,
        *packages: str | list[str],
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
    ) -> Self:
        """Install Python packages with pip. The build has the network of the run.

        Args:
            *packages: what to install: `"flask"`, `"flask>=3"`.
            find_links: where pip looks for archives.
            index_url: the package index.
            extra_index_url: a further one.
            pre: allow versions before a release.
            extra_options: further options of pip.
            force_build: do it again although the server has it.
            env: variables of the step.
            secrets: further ones; none of them is in the image.
            gpu: refused.

        Raises:
            InvalidError: an argument makes no sense.
        """
        names = _packages("pip_install", packages)
        urls = options(find_links, index_url, extra_index_url)
        words = [*sorted(names), *urls, *(["--pre"] if pre else [])]
        line = f"RUN python -m pip install {shlex.join(words)} {extra_options}".strip()
        return self._run([line] if names else [], env, secrets, gpu, force_build)

    def uv_pip_install(
        self,
        *packages: str | list[str],
        requirements: list[str] | None = None,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        uv_version: str | None = None,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
    ) -> Self:
        """Install Python packages with uv, which this machine must have.

        Args:
            *packages: what to install.
            requirements: paths of local files that list further ones.
            find_links: where uv looks for archives.
            index_url: the package index.
            extra_index_url: a further one.
            pre: allow versions before a release.
            extra_options: further options of uv.
            force_build: do it again although the server has it.
            uv_version: has no effect: the version is that of this machine.
            env: variables of the step.
            secrets: further ones; none of them is in the image.
            gpu: refused.

        Raises:
            InvalidError: an argument makes no sense.
        """
        names = _packages("uv_pip_install", packages)
        check_list("requirements", requirements or (), "paths")
        lines = ["COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv"]
        words = options(find_links, index_url, extra_index_url)
        words += ["--prerelease", "allow"] if pre else []
        context = {}
        for number, path in enumerate(requirements or ()):
            local = Path(path).expanduser()
            context[f"/.{number}_{local.name}"] = local.read_text("utf-8")
            lines.append(f"COPY /.{number}_{local.name} /.uv/{number}/{local.name}")
            words += ["--requirements", f"/.uv/{number}/{local.name}"]
        if not names and not context:
            return self._on_this(())
        listed = shlex.join([*words, *sorted(names)])
        python = "--python $(command -v python) --compile-bytecode"
        lines.append(f"RUN /.uv/uv pip install {python} {extra_options} {listed}")
        return self._run(lines, env, secrets, gpu, force_build, context_files=context)

    def apt_install(
        self,
        *packages: str | list[str],
        force_build: bool = False,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
    ) -> Self:
        """Install Debian packages.

        A view of this machine has those of this machine. Others need the network of the run, and
        an engine that runs as root.

        Args:
            *packages: their names.
            force_build: do it again although the server has it.
            env: variables of the step.
            secrets: further ones; none of them is in the image.
            gpu: refused.

        Raises:
            InvalidError: an argument makes no sense.
        """
        names = _packages("apt_install", packages)
        lines = ["RUN apt-get update", f"RUN apt-get install -y {shlex.join(names)}"]
        return self._run(lines if names else [], env, secrets, gpu, force_build)

    def run_commands(
        self,
        *commands: str | list[str],
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        volumes: object = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Run commands by the shell, each in a step of its own.

        Args:
            *commands: the commands.
            env: variables of the steps.
            secrets: further ones; none of them is in the image.
            volumes: refused.
            gpu: refused.
            force_build: do it again although the server has it.

        Raises:
            InvalidError: an argument makes no sense.
        """
        refuse(volumes=volumes)
        lines = [f"RUN {command}" for command in _texts("run_commands", commands)]
        return self._run(lines, env, secrets, gpu, force_build)

    def dockerfile_commands(
        self,
        *dockerfile_commands: str | list[str],
        context_files: Mapping[str, str] | None = None,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        context_dir: str | os.PathLike[str] | None = None,
        force_build: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] | None = None,
        build_args: Mapping[str, str] | None = None,
    ) -> Self:
        """Lines of a Dockerfile after `FROM`.

        Args:
            *dockerfile_commands: the lines.
            context_files: paths of local files, by their paths for COPY.
            env: variables of the steps.
            secrets: further ones; none of them is in the image.
            gpu: refused.
            context_dir: where COPY takes files from; the current directory if not given. A symbolic
                link that a line names is followed, and refused if it leads out of it; others are
                copied as links.
            force_build: do it again although the server has it.
            ignore: which files it does not take: patterns, or a function of the relative path; the
                `.dockerignore` of the directory if not given.
            build_args: for ARG.

        Raises:
            InvalidError: an argument makes no sense.
        """
        lines = _texts("dockerfile_commands", dockerfile_commands)
        context = {
            name: Path(path).expanduser().read_text("utf-8")
            for name, path in (context_files or {}).items()
        }
        from .context import context_files_of  # late: few images have local files

        files = context_files_of(lines, context_dir, ignore)
        return self._run(
            *(lines, env, secrets, gpu, force_build),
            context_files=context,
            files=files,
            build_args=dict(build_args or {}),
        )

    def env(self, vars: dict[str, str]) -> Self:  # noqa: A002 - the name at Modal
        """Set environment variables.

        Args:
            vars: names and values.

        Raises:
            InvalidError: not text, or not possible in an environment variable.
        """
        variables = check_environment(dict(vars), "vars")
        return self._on_this(
            [f"ENV {name}={shlex.quote(value)}" for name, value in variables.items()]
        )

    def workdir(self, path: str | os.PathLike[str]) -> Self:
        """Set where further steps, and programs of sandboxes, start.

        Args:
            path: a directory, which is made if it does not exist.
        """
        return self._on_this([f"WORKDIR {shlex.quote(os.fspath(path))}"])

    def entrypoint(self, entrypoint_commands: list[str]) -> Self:
        """Set the words that come before the command of a sandbox.

        Args:
            entrypoint_commands: the words.
        """
        return self._words("ENTRYPOINT", "entrypoint_commands", entrypoint_commands)

    def shell(self, shell_commands: list[str]) -> Self:
        """Set what runs the commands of further steps.

        Args:
            shell_commands: the words that come before a command: `["/bin/bash", "-c"]`.
        """
        return self._words("SHELL", "shell_commands", shell_commands)

    def cmd(self, cmd: list[str]) -> Self:
        """Set the command of sandboxes that are created without one.

        Args:
            cmd: its words.
        """
        return self._words("CMD", "cmd", cmd)

    def add_local_file(
        self, local_path: str | os.PathLike[str], remote_path: str, *, copy: bool = False
    ) -> Self:
        """Add a local file.

        Args:
            local_path: of the file.
            remote_path: where it goes, absolute; if it ends with a slash, into that directory.
            copy: in a step, so that others can follow.

        Raises:
            InvalidError: `remote_path` is not absolute.
        """
        from .local_tree import single_file

        return self._with_files(single_file(local_path, remote_path), copy=copy)

    def add_local_dir(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        *,
        copy: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] = (),
    ) -> Self:
        """Add what is in a local directory.

        A symbolic link to a file is followed, also out of the directory, and one to a directory is
        left out, as at Modal.

        Args:
            local_path: of the directory.
            remote_path: where it goes, absolute.
            copy: in a step, so that others can follow.
            ignore: which files are left out: patterns as in a `.dockerignore`, or a function of the
                path in the directory.

        Raises:
            InvalidError: `remote_path` is not absolute.
        """
        from .local_tree import directory

        return self._with_files(directory(local_path, remote_path, ignoring(ignore)), copy=copy)

    def add_local_python_source(
        self,
        *modules: str,
        copy: bool = False,
        ignore: Sequence[str] | Callable[[Path], bool] | None = None,
    ) -> Self:
        """Add the sources of modules and packages that can be imported here, to `/root`.

        Args:
            *modules: their names.
            copy: in a step, so that others can follow.
            ignore: which files of a package are left out; all but `.py` if not given.

        Raises:
            InvalidError: there is no such module.
        """
        ignored = None if ignore is None else ignoring(ignore)
        from .local_tree import python_source, sources

        return self._with_files(
            sources([python_source(module, ignored) for module in modules]), copy=copy
        )

    run_function = refused(
        "Image.run_function",
        "it has no functions; run a program with run_commands(), and add its source with "
        "add_local_file(copy=True)",
    )

    def _run(
        self,
        lines: Sequence[str],
        env: dict[str, str | None] | None,
        secrets: Collection[Secret] | None,
        gpu: str | None,
        force_build: bool,
        **layer: Any,
    ) -> Self:
        refuse(gpu=gpu)
        given = (*check_secrets(secrets), *([Secret.from_dict(env)] if env else []))
        return self._on_this(lines, secrets=given, force_build=force_build, **layer)

    def _words(self, verb: str, name: str, given: list[str]) -> Self:
        check_list(name, given, "texts")
        if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
            raise InvalidError(f"{name}={given!r} is {type_name(given)}, not a list of texts")
        return self._on_this([f"{verb} {json.dumps(given, ensure_ascii=False)}"])


def _texts(call: str, given: Sequence[str | list[str]]) -> list[str]:
    texts: list[Any] = []
    for each in given:
        texts += each if isinstance(each, list) else [each]
    wrong = next((each for each in texts if not isinstance(each, str)), None)
    if wrong is not None:
        raise InvalidError(f"{call}: {wrong!r} is {type_name(wrong)}, not a text")
    return texts


def _packages(call: str, given: Sequence[str | list[str]]) -> list[str]:
    names = _texts(call, given)
    option = next((name for name in names if name.startswith("-")), None)
    if option is not None:
        raise InvalidError(f"{call}: {option!r} is no package; give options with extra_options")
    return names


def options(
    find_links: str | None, index_url: str | None, extra_index_url: str | None
) -> list[str]:
    """The options of pip, and of uv, for where packages come from."""
    given = {
        "--find-links": find_links,
        "--index-url": index_url,
        "--extra-index-url": extra_index_url,
    }
    return [word for name, value in given.items() if value is not None for word in (name, value)]
