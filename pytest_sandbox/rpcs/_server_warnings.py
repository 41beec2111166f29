"""How a server warns the program that called it."""


class ServerWarning(UserWarning):
    """Modal's servers, or the one of the run before them, warn of something.

    It comes with the answer to a call of the test, once in a run. Do what it says; or filter it:
    `ignore::pytest_sandbox.exceptions.ServerWarning` in `filterwarnings` of the ini file.

    Attributes:
        METADATA: where it is in the initial metadata of the answer: texts, each percent-encoded,
            with commas between.
    """

    METADATA = "x-sandbox-warning"
