"""Which programs there are."""

from .._proc import Program
from . import _files, _system, _text
from ._nvidia import nvidia_smi
from ._sleep import Sleep
from ._utility import Utility, program

#: Programs that run in a process of their own, or inside a shell.
UTILITIES: dict[str, Utility] = {
    "[": _system.test,
    "nvidia-smi": nvidia_smi,
    **{
        utility.__name__: utility
        for utility in (
            *(_files.chmod, _files.chown, _files.cp, _files.ln, _files.ls, _files.mkdir),
            *(_files.mv, _files.readlink, _files.rm, _files.rmdir, _files.touch),
            _files.truncate,
            *(_system.basename, _system.dirname, _system.env, _system.false, _system.hostname),
            *(_system.kill, _system.pwd, _system.stty, _system.test),
            *(_system.true, _system.tty, _system.uname, _system.whoami),
            *(_text.cat, _text.echo, _text.grep, _text.head, _text.printf, _text.seq),
            *(_text.sort, _text.tail, _text.tee, _text.wc, _text.yes),
        )
    },
}

PROGRAMS: dict[str, Program] = {
    **{name: program(utility) for name, utility in UTILITIES.items()},
    "sleep": Sleep(),
}
