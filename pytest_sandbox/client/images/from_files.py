"""The methods of an image that install what a local file lists."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sandbox._shared.type_names import type_name

from ..exceptions import InvalidError
from ..refusals import refused
from ..validation import check_list, refuse
from .steps import ImageMethods, options

if TYPE_CHECKING:
    from collections.abc import Collection

    from typing_extensions import Self

    from ..secrets.secret import Secret

__tracebackhide__ = True  # a failing test shows the caller's line, not these

_WITH_PIP = "install with pip_install(), or with run_commands()"


class FileInstallMethods(ImageMethods):
    """Steps that install the packages of a file."""

    def pip_install_from_requirements(
        self,
        requirements_txt: str | os.PathLike[str],
        find_links: str | None = None,
        *,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        env: dict[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
    ) -> Self:
        """Install the Python packages of a local `requirements.txt` with pip.

        Args:
            requirements_txt: the path of the file.
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
            OSError: the file cannot be read.
        """
        refuse(gpu=gpu)
        text = Path(requirements_txt).expanduser().read_text("utf-8")
        words = options(find_links, index_url, extra_index_url)
        words += ["--pre"] if pre else []
        lines = [
            "COPY /.requirements.txt /.requirements.txt",
            f"RUN python -m pip install -r /.requirements.txt {shlex.join(words)} {extra_options}",
        ]
        context = {"/.requirements.txt": text}
        stripped = [line.strip() for line in lines]
        return self._run(stripped, env, secrets, gpu, force_build, context_files=context)

    def pip_install_from_pyproject(
        self,
        pyproject_toml: str | os.PathLike[str],
        optional_dependencies: Collection[str] = (),
        *,
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
        """Install the dependencies of a local `pyproject.toml` with pip, but not the project.

        Args:
            pyproject_toml: the path of the file.
            optional_dependencies: its extras to install too.
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
            InvalidError: the file has no dependencies, or not those extras.
            OSError: the file cannot be read.
        """
        refuse(gpu=gpu)
        check_list("optional_dependencies", optional_dependencies, "names of extras")
        return self.pip_install(
            *_dependencies(pyproject_toml, optional_dependencies),
            find_links=find_links,
            index_url=index_url,
            extra_index_url=extra_index_url,
            pre=pre,
            extra_options=extra_options,
            force_build=force_build,
            env=env,
            secrets=secrets,
            gpu=gpu,
        )

    pip_install_private_repos = refused("Image.pip_install_private_repos", _WITH_PIP)
    poetry_install_from_file = refused("Image.poetry_install_from_file", _WITH_PIP)
    uv_sync = refused("Image.uv_sync", "install with uv_pip_install(), or with run_commands()")
    micromamba_install = refused("Image.micromamba_install", _WITH_PIP)


def _dependencies(path: str | os.PathLike[str], extras: Collection[str]) -> list[str]:
    project = _parsed(path).get("project", {})
    if "dependencies" not in project:
        raise InvalidError(f"{os.fspath(path)} has no project.dependencies")
    optional = project.get("optional-dependencies", {})
    if missing := [extra for extra in extras if extra not in optional]:
        raise InvalidError(f"{os.fspath(path)} has no optional dependencies {missing[0]!r}")
    found = [*project["dependencies"], *(each for extra in extras for each in optional[extra])]
    if wrong := [each for each in found if not isinstance(each, str)]:
        raise InvalidError(f"{os.fspath(path)}: {wrong[0]!r} is {type_name(wrong[0])}, no package")
    return found


def _parsed(path: str | os.PathLike[str]) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # which pytest needs there
    text = Path(path).expanduser().read_text("utf-8")
    try:
        parsed: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{os.fspath(path)} is no TOML: {error}") from None
    return parsed
