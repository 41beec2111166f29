"""A CDI specification for the GPUs that there are not, and a program that lists them."""

import json
import os
from pathlib import Path
from typing import Any

#: Lists the device nodes of a sandbox.
NVIDIA_SMI = """#!/bin/sh
for node in /dev/nvidia[0-9]*; do
    [ -c "$node" ] && echo "GPU ${node#/dev/nvidia}: simulated"
done
"""
#: What stands for the nodes of devices: those of the machine that sandboxes have anyhow, so that
#: they can be told apart by what they read, and nobody has to be root.
NODES = ("/dev/null", "/dev/zero", "/dev/full")
#: Where sandboxes have the program; for an ordinary user, the engine cannot add files to `/usr`.
SMI = "/usr/bin/nvidia-smi" if os.geteuid() == 0 else "/opt/driver/bin/nvidia-smi"


def specification(folder: Path, smi: str = SMI) -> dict[str, Any]:
    """Of three devices, and with what is for display, which sandboxes do not get."""
    program, library = folder / "nvidia-smi", folder / "libcuda.so.580"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    library.write_text("CUDA\n")
    (folder / "libGLX_nvidia.so.0").write_text("display\n")
    inside = "/opt/driver/lib"
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [
            *(
                {
                    "name": str(index),
                    "containerEdits": {
                        "deviceNodes": [
                            {"path": f"/dev/nvidia{index}", "hostPath": node},
                            {"path": f"/dev/dri/card{index}", "hostPath": "/dev/null"},
                        ]
                    },
                }
                for index, node in enumerate(NODES)
            ),
            {
                "name": "all",
                "containerEdits": {
                    "deviceNodes": [
                        {"path": f"/dev/nvidia{index}", "hostPath": node}
                        for index, node in enumerate(NODES)
                    ]
                },
            },
        ],
        "containerEdits": {
            "env": [
                *("NVIDIA_VISIBLE_DEVICES=void", "OF_CDI=1"),
                f"PATH={os.path.dirname(smi)}:/usr/local/sbin:/usr/local/bin:/usr/bin:/bin",
            ],
            "deviceNodes": [
                {"path": "/dev/nvidiactl", "hostPath": "/dev/null"},
                {"path": "/dev/nvidia-modeset", "hostPath": "/dev/null"},
            ],
            "hooks": [
                {
                    "hookName": "createContainer",
                    "path": "/usr/bin/nvidia-cdi-hook",
                    "args": [
                        *("nvidia-cdi-hook", "create-symlinks"),
                        *("--link", f"libcuda.so.580::{inside}/libcuda.so.1"),
                    ],
                },
                {
                    "hookName": "createContainer",
                    "path": "/usr/bin/nvidia-cdi-hook",
                    "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", inside],
                },
            ],
            "mounts": [
                {"hostPath": str(program), "containerPath": smi},
                {"hostPath": str(library), "containerPath": f"{inside}/{library.name}"},
                {
                    "hostPath": str(folder / "libGLX_nvidia.so.0"),
                    "containerPath": f"{inside}/libGLX_nvidia.so.0",
                },
                {"hostPath": "/run", "containerPath": "/run/nvidia-persistenced"},
            ],
        },
    }


def write(folder: Path, content: object) -> None:
    (folder / "nvidia.json").write_text(json.dumps(content))
