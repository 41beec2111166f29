"""What programs say that miss the network."""

import re

#: What programs print where no address is reached and no name is resolved. Without a network,
#: nothing sees their connections but they themselves.
UNREACHED = re.compile(
    rb"network (is )?unreachable|ENETUNREACH"
    # The C library, by its messages and its codes.
    rb"|temporary failure (in name resolution|resolving)|name or service not known"
    rb"|\bgaierror\b|EAI_AGAIN|EAI_NONAME"
    # curl, git and ssh; wget; busybox.
    rb"|could not resolve host|unable to resolve host|bad address '"
    # Node, Go, Rust, Java.
    rb"|getaddrinfo ENOTFOUND|dial tcp: lookup |failed to lookup address|UnknownHostException",
    re.IGNORECASE,
)
