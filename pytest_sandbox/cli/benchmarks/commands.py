"""The figures of what is done in a running sandbox: commands and files."""

from pytest_sandbox import Sandbox

from .baselines import FRESH_FOLDER, SUBPROCESS, TRUE, bare_subprocess, plain_subprocess
from .samples import Samples
from .session import Bench


def exec_true(bench: Bench) -> None:
    """From `exec` to the exit code; and to the output and the exit code."""
    ours, read, baseline = Samples(), Samples(), bench.baseline()
    sandbox = Sandbox.create()
    sandbox.exec(TRUE).wait()
    for _ in bench.cycles("exec + wait, exec + read + wait"):
        bare_subprocess(baseline)
        with ours.sample():
            with ours.step("start"):
                process = sandbox.exec(TRUE)
            with ours.step("wait"):
                code = process.wait()
        assert code == 0, code
        with read.sample():
            with read.step("start"):
                process = sandbox.exec("echo", "hello")
            with read.step("read"):
                output = process.stdout.read()
            with read.step("wait"):
                code = process.wait()
        assert (output, code) == ("hello\n", 0), (output, code)
    sandbox.terminate()
    bench.timing("exec /bin/true -> exit code", ours, SUBPROCESS, baseline)
    bench.timing("exec echo -> output, exit code", read, SUBPROCESS, baseline)


def run_true(bench: Bench) -> None:
    """A command, its output and exit code by `run`."""
    ours, baseline = Samples(), bench.baseline()
    sandbox = Sandbox.create()
    sandbox.run(TRUE)
    for _ in bench.cycles("run"):
        bare_subprocess(baseline)
        with ours.sample():
            code = sandbox.run(TRUE).returncode
        assert code == 0, code
    sandbox.terminate()
    bench.timing("run /bin/true -> output, exit code", ours, SUBPROCESS, baseline)


def files(bench: Bench) -> None:
    """Writing a small file and reading it back."""
    ours, baseline = Samples(), bench.baseline()
    sandbox = Sandbox.create()
    for _ in bench.cycles("file write + read"):
        plain_subprocess(baseline)
        with ours.sample():
            with ours.step("write"):
                sandbox.filesystem.write_text("print(6 * 7)", "/srv/app.py")
            with ours.step("read"):
                text = sandbox.filesystem.read_text("/srv/app.py")
        assert text == "print(6 * 7)", text
    sandbox.terminate()
    bench.timing("file write + read", ours, FRESH_FOLDER, baseline)
