"""How a server warns the program that called it."""

#: In the initial metadata of an answer: texts, each percent-encoded, with commas between.
WARNING_HEADER = "x-sandbox-warning"


class ServerWarning(UserWarning):
    """What Modal's servers, or that of the run, warn of with the answer to a call."""
