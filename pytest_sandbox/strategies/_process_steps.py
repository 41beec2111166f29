"""Steps with processes."""

import os
import signal

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from pytest_sandbox.engine import ExitStatus, Process

from ._base import Cat, Steps
from ._commands import words
from ._draws import PATHS, QUESTIONS
from ._model import ModelFile, outcome
from ._streams import streams
from ._subject import Done, Subject, content, exactly


class ProcessSteps(Steps):
    """Programs that end at once, and programs that continue."""

    cats: Bundle[Cat] = Bundle("cats")

    @rule(out=words(), err=words(), code=st.integers(0, 255))
    def say(self, out: str, err: str, code: int) -> None:
        """A program that prints on both streams and ends with a code."""
        script = 'printf %s "$1"; printf %s "$ERR" >&2; exit "$2"'
        self.agree(
            lambda: Done(code, _encoded(out), _encoded(err)),
            lambda subject: subject.run(
                *("sh", "-c", script, "sh", out, str(code)), env={"ERR": err}
            ),
        )

    @rule(data=streams(), path=PATHS)
    def tee(self, data: tuple[bytes, ...], path: str) -> None:
        """A program that writes its input to a file and to its output."""
        whole = b"".join(data)

        def expected() -> object:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            file = outcome(lambda: self.model.open(path, flags))
            if isinstance(file, ModelFile):
                file.write(0, whole)
            return not isinstance(file, ModelFile), whole

        async def ask(subject: Subject) -> object:
            done = await subject.run("tee", "--", path, stdin=whole)
            return bool(done.code), done.stdout

        self.agree(expected, ask)

    @rule(path=QUESTIONS)
    def start_in(self, path: str) -> None:
        """Start a program in a directory that may not be there."""

        async def ask(subject: Subject) -> bool:
            process = await subject.start("true", workdir=path)
            return (await process.wait()).code == 0

        self.agree(lambda: bool(self.model.directory(path) or True), ask)

    @rule(path=PATHS)
    def start_what_is_no_program(self, path: str) -> None:
        """Start a file that may not be executed, or that is none."""

        def expected() -> object:
            self.model.node(path)
            return "EACCES"

        self.agree(expected, lambda subject: subject.start(path))

    @rule(target=cats)
    def start_cat(self) -> Cat:
        """Start a program that runs until its input ends."""
        processes = [self.run(subject.start("cat")) for subject in self.world.subjects]
        cat = Cat(self.world, processes)
        self.world.cats.append(cat)
        return cat

    @rule(cat=cats, chunks=streams(max_chunks=3))
    def feed(self, cat: Cat, chunks: tuple[bytes, ...]) -> None:
        """Write to a program, and read what it makes of it as it comes."""
        for chunk in chunks:
            if cat.ended is None:
                cat.given += chunk
            self.each(
                cat.world,
                cat.processes,
                lambda: None if cat.ended is None else "EPIPE",
                lambda process, chunk=chunk: process.write_stdin(chunk),  # type: ignore[misc]
            )
        self.each(
            cat.world,
            cat.processes,
            lambda: cat.given,
            lambda process: exactly(process.stdout, len(cat.given)),
        )

    @rule(cat=cats, number=st.sampled_from([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))
    def kill(self, cat: Cat, number: signal.Signals) -> None:
        """Send a signal; to a program that has ended it does nothing."""
        cat.ended = cat.ended or ExitStatus(signal=number)
        self.each(cat.world, cat.processes, lambda: None, lambda process: process.signal(number))
        self._ends(cat)

    @rule(cat=cats)
    def end_input(self, cat: Cat) -> None:
        """End the input of a program, which ends with it."""
        cat.ended = cat.ended or ExitStatus(code=0)
        self.each(cat.world, cat.processes, lambda: None, lambda process: process.close_stdin())
        self._ends(cat)

    def _ends(self, cat: Cat) -> None:
        async def end(process: Process) -> object:
            status = await process.wait()
            assert process.poll() == status
            return status, await content(process.stdout), await content(process.stderr)

        self.each(cat.world, cat.processes, lambda: (cat.ended, cat.given, b""), end)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
