"""Fetches a page and prints it, or says in a line what went wrong."""

import http.client
import sys
from collections.abc import Sequence
from urllib.request import urlopen

TIMEOUT = 1.0


def main(arguments: Sequence[str]) -> int:
    try:
        with urlopen(arguments[0], timeout=TIMEOUT) as answer:
            page = answer.read()
    except TimeoutError:
        print("the server is too slow", file=sys.stderr)
        return 1
    except http.client.IncompleteRead:
        print("the page is not whole", file=sys.stderr)
        return 1
    except OSError as error:
        reason = getattr(error, "reason", error)
        slow = isinstance(reason, TimeoutError)
        print("the server is too slow" if slow else f"no answer: {reason}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
