"""Which programs there are."""

from ..processes.process import Program
from . import attributes, conditions, copying, files, listing, printing, system, text
from .dialect import Dialect
from .nvidia import nvidia_smi
from .printf import printf
from .sleep import Sleep
from .utility import Utility, helpful, program

#: Programs that run in a process of their own, or inside a shell.
UTILITIES: dict[str, Utility] = {
    "[": conditions.test(Dialect.COREUTILS),
    "printf": printf(Dialect.COREUTILS),
    "test": conditions.test(Dialect.COREUTILS),
    "nvidia-smi": nvidia_smi,
    **{
        utility.__name__: utility
        for utility in (
            *(attributes.chmod, attributes.chown, attributes.touch, attributes.truncate),
            *(copying.cp, copying.ln, copying.mv, files.mkdir, files.readlink, files.rm),
            *(files.rmdir, listing.ls),
            *(printing.echo, printing.seq, printing.yes),
            *(system.basename, system.dirname, system.env, system.false, system.hostname),
            *(system.kill, system.printenv, system.pwd, system.stty, system.true, system.tty),
            *(system.uname, system.whoami, text.cat, text.grep, text.head, text.sort),
            *(text.tail, text.tee, text.wc),
        )
    },
}

#: Utilities that a shell has of its own and runs in its own process.
SHELL_UTILITIES: dict[Dialect, dict[str, Utility]] = {
    dialect: {
        "[": conditions.test(dialect),
        "echo": printing.bash_echo if dialect == Dialect.BASH else printing.posix_echo,
        "false": system.false,
        "kill": system.kill,
        "printf": printf(dialect),
        "test": conditions.test(dialect),
        "true": system.true,
    }
    for dialect in (Dialect.DASH, Dialect.BASH)
}

PROGRAMS: dict[str, Program] = {
    **{name: program(utility) for name, utility in UTILITIES.items()},
    # Shells have their own, which know no help.
    **{name: program(helpful(UTILITIES[name])) for name in ("echo", "false", "true")},
    "sleep": Sleep(),
}
