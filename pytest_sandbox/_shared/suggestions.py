"""Hints for names that do not exist: "did you mean"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many similar names a hint lists.
_MOST = 3
#: Names for the same thing elsewhere: `subprocess`, `os`, Docker, other sandboxes.
_SYNONYMS = {
    "allow_domains": "outbound_domain_allowlist",
    "allowed_domains": "outbound_domain_allowlist",
    "allowed_hosts": "outbound_domain_allowlist",
    "capture": "stdout",
    "cores": "cpu",
    "cpus": "cpu",
    "cwd": "workdir",
    "dir": "workdir",
    "directory": "workdir",
    "domain_allowlist": "outbound_domain_allowlist",
    "domains": "outbound_domain_allowlist",
    "environ": "env",
    "environment": "env",
    "environment_variables": "env",
    "envs": "env",
    "exist_ok": "parents",
    "hosts": "outbound_domain_allowlist",
    "image_id": "image",
    "internet": "network",
    "mem": "memory",
    "mem_limit": "memory",
    "mounts": "volumes",
    "network_mode": "network",
    "open_ports": "unencrypted_ports",
    "path": "remote_path",
    "port": "unencrypted_ports",
    "ports": "unencrypted_ports",
    "ram": "memory",
    "recurse": "recursive",
    "remote_path": "path",
    "stdin": "input",
    "tty": "pty",
    "ttl": "timeout",
    "universal_newlines": "text",
    "variables": "env",
    "working_dir": "workdir",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'timeout'?` if a known name means the same or is similar, else an empty text.

    Args:
        name: the name that does not exist.
        known: those that exist.
    """
    by_folded = {each.lower(): each for each in known}
    meant = {each: by_folded[target] for each, target in _SYNONYMS.items() if target in by_folded}
    if name.lower() in meant and name.lower() not in by_folded:
        near = [name.lower()]
    else:
        from difflib import get_close_matches  # late: most runs have no mistake

        near = get_close_matches(name.lower(), {**meant, **by_folded}, n=_MOST)
    names = dict.fromkeys({**meant, **by_folded}[each] for each in near)
    return f"did you mean {' or '.join(map(repr, names))}?" if names else ""
