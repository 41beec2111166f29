"""Names that files with credentials have by convention, and which no sandbox is shown.

They apply to the sources of editable packages and to the project, not to system folders.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Left out wherever they are: a lower-case pattern, and why.
SECRET_NAMES = {
    ".env": "variables with passwords and tokens",
    ".env.*": "the same, for one environment",
    "*.env": "the same",
    ".envrc": "the same, for direnv",
    ".netrc": "passwords of hosts, netrc(5)",
    "_netrc": "the same",
    ".pypirc": "tokens of package indexes",
    ".npmrc": "tokens of npm registries",
    ".yarnrc.yml": "tokens of npm registries",
    ".git-credentials": "passwords of remotes",
    ".htpasswd": "hashes of passwords",
    ".pgpass": "passwords of PostgreSQL",
    ".my.cnf": "passwords of MySQL",
    ".dockercfg": "tokens of container registries",
    ".docker": "tokens of container registries",
    ".aws": "keys of Amazon's cloud",
    ".azure": "tokens of Microsoft's cloud",
    ".gcloud": "tokens of Google's cloud",
    ".kube": "tokens of Kubernetes clusters",
    "kubeconfig": "tokens of Kubernetes clusters",
    ".modal.toml": "tokens of Modal",
    ".ssh": "private keys",
    ".gnupg": "private keys",
    ".vault-token": "a token of Vault",
    ".vault_pass*": "a password of Ansible",
    ".terraformrc": "tokens of Terraform registries",
    "terraform.tfstate*": "all values of a Terraform state, secret ones too",
    ".secrets*": "what the name says",
    "secrets.toml": "what the name says",
    "secrets.yaml": "what the name says",
    "secrets.yml": "what the name says",
    "secrets.json": "what the name says",
    "credentials.json": "what the name says",
}
#: Patterns of samples, which are made to be read.
SAMPLE_NAMES = (".env.example", ".env.sample", ".env.template", ".env.dist", "example.env")
#: Left out unless git tracks them: what is tracked, such as the keys of a test server, is no secret
#: within the project.
KEY_NAMES = {
    "*.pem": "private keys",
    "*.key": "private keys",
    "*.p12": "private keys",
    "*.pfx": "private keys",
    "*.ppk": "private keys",
    "*.jks": "private keys",
    "*.keystore": "private keys",
    "*.kdbx": "passwords",
    "id_rsa": "private keys",
    "id_dsa": "private keys",
    "id_ecdsa": "private keys",
    "id_ed25519": "private keys",
    "service-account*.json": "keys of Google's cloud",
}
#: Directories of version control: addresses of remotes may have passwords in them, and old versions
#: may have what was removed.
VERSION_CONTROL = (".git", ".hg", ".svn", ".jj", ".bzr")


class _Patterns:
    """Shell patterns with one `*` at most.

    An engine asks of every file of a project when it starts, so there is no search for each
    pattern: of 30 patterns and 1,700 files, that took 25 ms.
    """

    def __init__(self, *patterns: str) -> None:
        halves = [pattern.partition("*") for pattern in patterns]
        self._whole = frozenset(start for start, star, _ in halves if not star)
        self._starts = tuple(start for start, star, end in halves if star and not end)
        self._ends = tuple(end for start, star, end in halves if star and not start)
        self._both = [(start, end) for start, _, end in halves if start and end]
        self._any_start = (*self._starts, *(start for start, _ in self._both))

    def match(self, name: str) -> bool:
        return (
            name in self._whole
            or name.startswith(self._starts)
            or name.endswith(self._ends)
            or any(
                name.startswith(start) and name.endswith(end, len(start))
                for start, end in self._both
            )
        )

    def may_match(self, name: str) -> bool:
        """Whether it could match: nearly no file does, and this takes a third of the time."""
        return name in self._whole or name.startswith(self._any_start) or name.endswith(self._ends)


_SECRET, _SAMPLE, _KEY = (
    _Patterns(*patterns) for patterns in (SECRET_NAMES, SAMPLE_NAMES, KEY_NAMES)
)
_ANY = _Patterns(*VERSION_CONTROL, *SECRET_NAMES, *KEY_NAMES)


def is_secret(name: str, *, tracked: bool = False) -> bool:
    """Whether a file or directory of that name is left out.

    Args:
        name: the last part of its path.
        tracked: whether git tracks it.
    """
    name = name.lower()
    if name in VERSION_CONTROL:
        return True
    if _SAMPLE.match(name):
        return False
    return _SECRET.match(name) or (not tracked and _KEY.match(name))


def unwanted(
    folder: str,
    is_tracked: Callable[[str], bool] = lambda path: True,
    skip: Callable[[str], bool] = lambda path: False,
) -> Iterator[str]:
    """Paths in a folder that are left out: secrets, and what is no file, directory or link.

    A socket or a pipe would be a way to a program of the machine.

    Args:
        folder: where.
        is_tracked: whether git tracks a path in it.
        skip: whether a directory is left out anyway, so that nothing in it matters.
    """
    folders = [""]
    while folders:
        relative = folders.pop()
        try:
            entries = list(os.scandir(f"{folder}/{relative}"))
        except OSError:
            continue
        for entry in entries:
            name = entry.name
            suspect = _ANY.may_match(name.lower())
            if not suspect and entry.is_file(follow_symlinks=False):
                continue  # as nearly all are
            path = f"{relative}/{name}".lstrip("/")
            if suspect and is_secret(name, tracked=is_tracked(path)):
                yield path
            elif entry.is_dir(follow_symlinks=False):
                if not skip(path):
                    folders.append(path)
            elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                yield path
