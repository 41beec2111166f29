"""`pytest-sandbox prune`: lists what earlier runs have left on disk, and removes it.

That is volumes in a folder, or images of registries and what was unpacked of them. Nothing is
removed without `--remove`, and never what a run uses.

With `--engine modal`, it ends the sandboxes in Modal's cloud that runs of this machine have left
behind because they were killed, and says which.
"""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from pytest_sandbox._shared.engine_options import CLOUD_ENGINE

SUMMARY = "list the volumes and images that outlive runs, and remove them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.usage = (
        "pytest-sandbox prune [-h] (FOLDER [NAME ...] | --images) [--remove]\n"
        "       pytest-sandbox prune [-h] --engine modal"
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="what the engine option 'volumes' names",
    )
    parser.add_argument(
        "name", nargs="*", metavar="NAME", help="only these volumes; all, if none is named"
    )
    parser.add_argument(
        "--images", action="store_true", help="images of registries and archives instead"
    )
    parser.add_argument("--remove", action="store_true", help="remove what is listed")
    parser.add_argument(
        "--engine",
        choices=[CLOUD_ENGINE],
        help="end what runs that were killed have left in Modal's cloud instead",
    )


def run(args: argparse.Namespace) -> int:
    """List volumes or images, and remove them if that is asked for.

    Returns:
        0; 1 if a volume was not found, or something was to be removed and is in use; 2 for invalid
        arguments.
    """
    if args.engine is not None:
        if args.images or args.folder is not None or args.remove:
            print("pytest-sandbox prune: --engine modal takes nothing else", file=sys.stderr)
            return 2
        return _cloud()
    if args.images == (args.folder is not None):
        print("pytest-sandbox prune: give either a FOLDER of volumes or --images", file=sys.stderr)
        return 2
    if args.images:
        from ._stored_images import prune_images

        return prune_images(remove=args.remove)
    return _volumes(args)


def _cloud() -> int:
    from pytest_sandbox.cloud import prune_cloud
    from pytest_sandbox.engine import EngineUnavailable

    try:
        found = prune_cloud(os.environ)
    except EngineUnavailable as error:
        print(f"pytest-sandbox prune: {error.reason}\n{error.remedy}", file=sys.stderr)
        return 1
    for each in found:
        how = "ended" if each.ended else "could not be ended; try again"
        _say(f"{each.sandbox_id} of the run {each.run}: {how}")
    if not found:
        _say("no run of this machine has left anything behind in Modal's cloud")
    return 0 if all(each.ended for each in found) else 1


def _volumes(args: argparse.Namespace) -> int:
    from pytest_sandbox._shared.on_disk.volume_folder import VolumeFolder, VolumeInUse

    folder = VolumeFolder(args.folder)
    wanted, failed = set(args.name), False
    for environment, name, about in folder.known():
        if args.name and name not in args.name:
            continue
        wanted.discard(name)
        made = datetime.fromtimestamp(about.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        said = f"{name} ({environment}), made {made}"
        try:
            stored = folder.open(environment, name)
        except VolumeInUse:
            _say(f"{said}: in use by a run")
            failed = failed or args.remove
            continue
        said = f"{said}, {stored.size()} bytes"
        if args.remove:
            stored.remove()
            said = f"{said}: removed"
        else:
            stored.close()
        _say(said)
    for name in sorted(wanted):
        print(f"there is no volume {name!r} in {args.folder}", file=sys.stderr)
    return 1 if failed or wanted else 0


def _say(line: str) -> None:
    print(line)  # the output of the command
