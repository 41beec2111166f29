"""The environment variables that make a real Modal client connect to a server of ours."""

import os
from collections.abc import Mapping

#: Variables of a user that would contradict the tokens of a server.
UNSET = (
    "MODAL_OAUTH_CLIENT_ID",
    "MODAL_OAUTH_CLIENT_SECRET",
    "MODAL_OAUTH_JWT_KEY",
    "MODAL_OAUTH_REFRESH_TOKEN",
)
#: The files of trusted certificates of Debian, Fedora and Alpine.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def modal_environment(
    url: str, token_id: str, token_secret: str, ca_file: str | None
) -> dict[str, str]:
    """The variables, whatever the user has configured; those in `UNSET` must not be set besides.

    Args:
        url: of the control plane.
        token_id: of the server.
        token_secret: of the server.
        ca_file: the certificate that clients have to trust; the usual ones are added to it.
    """
    env = {
        "MODAL_SERVER_URL": url,
        "MODAL_TOKEN_ID": token_id,
        "MODAL_TOKEN_SECRET": token_secret,
        "MODAL_CONFIG_PATH": os.devnull,  # not the user's own file, which has tokens for the cloud
    }
    if ca_file:
        env["SSL_CERT_FILE"] = env["NODE_EXTRA_CA_CERTS"] = ca_file
        _add_usual_authorities(ca_file)
    return env


def with_modal_environment(
    environment: Mapping[str, str], variables: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a child process whose Modal clients connect to the server."""
    kept = {name: value for name, value in environment.items() if name not in UNSET}
    return {**kept, **variables}


def _add_usual_authorities(ca_file: str) -> None:
    """Add the certificates that programs trust on this machine to the file with ours.

    Modal clients before 1.3 verify the certificate of the command router, and find ours through
    `SSL_CERT_FILE`. That variable replaces the usual file for all that a process does with
    OpenSSL, so the file must contain the usual certificates too. The alternative,
    `MODAL_TASK_COMMAND_ROUTER_INSECURE`, would let those clients trust any server.
    """
    import ssl

    own = ssl.get_default_verify_paths().cafile  # honours the user's own SSL_CERT_FILE
    usual = next((path for path in (own, *_BUNDLES) if path and os.path.isfile(path)), None)
    if usual is not None:
        with open(usual, "rb") as source, open(ca_file, "ab") as target:
            target.write(b"\n" + source.read())
