"""Makes the token and the certificate of an engine in a cluster, and the address for its tests.

python make_secret.py HOST [FOLDER]

FOLDER, by default `secret`, then has `secret.yaml` for the cluster, and for where tests run
`authority.pem`, which the certificate is signed by, and `address`.
"""

import json
import os
import secrets
import sys
from pathlib import Path

import trustme

PORT = 4433


def make(host: str, folder: Path) -> None:
    """Write the three files.

    Args:
        host: the name by which tests reach the engine.
        folder: which is made, for its owner only. What is there already is an error, as new
            secrets would lock out those who have the old ones.
    """
    folder.mkdir(mode=0o700)
    token = secrets.token_hex(16)
    authority = trustme.CA()
    certificate = authority.issue_cert(host, "localhost")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pytest-sandbox", "namespace": "sandboxes"},
        "type": "Opaque",
        "stringData": {
            "token": token,
            "tls.crt": b"".join(each.bytes() for each in certificate.cert_chain_pems).decode(),
            "tls.key": certificate.private_key_pem.bytes().decode(),
        },
    }
    (folder / "secret.yaml").write_text(json.dumps(secret, indent=2))  # JSON is YAML
    (folder / "authority.pem").write_bytes(authority.cert_pem.bytes())
    (folder / "address").write_text(f"grpc+tls://{token}@{host}:{PORT}\n")


if __name__ == "__main__":
    os.umask(0o077)
    make(sys.argv[1], Path(*sys.argv[2:3] or ["secret"]))
