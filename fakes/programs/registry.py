"""Which programs there are."""

from ..processes.process import Program
from . import files, system, text
from .nvidia import nvidia_smi
from .sleep import Sleep
from .utility import Utility, program

#: Programs that run in a process of their own, or inside a shell.
UTILITIES: dict[str, Utility] = {
    "[": system.test,
    "nvidia-smi": nvidia_smi,
    **{
        utility.__name__: utility
        for utility in (
            *(files.chmod, files.chown, files.cp, files.ln, files.ls, files.mkdir),
            *(files.mv, files.readlink, files.rm, files.rmdir, files.touch),
            files.truncate,
            *(system.basename, system.dirname, system.env, system.false, system.hostname),
            *(system.kill, system.pwd, system.stty, system.test),
            *(system.true, system.tty, system.uname, system.whoami),
            *(text.cat, text.echo, text.grep, text.head, text.printf, text.seq),
            *(text.sort, text.tail, text.tee, text.wc, text.yes),
        )
    },
}

PROGRAMS: dict[str, Program] = {
    **{name: program(utility) for name, utility in UTILITIES.items()},
    "sleep": Sleep(),
}
