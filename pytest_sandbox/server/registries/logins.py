"""Logins for private images in secrets, with the variables that Modal has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sandbox._proto import images_pb2 as pb

from ..rpc.errors import invalid, unimplemented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_sandbox.images.registry import Login

_USERNAME, _PASSWORD = "REGISTRY_USERNAME", "REGISTRY_PASSWORD"
_GOOGLE = "SERVICE_ACCOUNT_JSON"
_AMAZON = ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN")
#: The user as whom Google's registries take the key of a service account.
_GOOGLE_USER = "_json_key"


def login_of(kind: int, variables: Mapping[str, str]) -> Login | None:
    """The login in a secret; `None` if the image needs none.

    Args:
        kind: a `RegistryAuthType`; if it says nothing, the variables tell.
        variables: of the secret.

    Raises:
        GRPCError: INVALID_ARGUMENT: the secret does not have what is needed. UNIMPLEMENTED: it is
            for Amazon's registry, which gives passwords by an API of its own.
    """
    # Imported when it is needed, with all that talks to registries.
    from pytest_sandbox.images.registry import Login

    if kind == pb.REGISTRY_AUTH_TYPE_PUBLIC:
        return None
    amazon = kind == pb.REGISTRY_AUTH_TYPE_UNSPECIFIED and any(map(variables.get, _AMAZON))
    if kind == pb.REGISTRY_AUTH_TYPE_AWS or amazon:
        raise unimplemented(
            "from_aws_ecr is not implemented by pytest-sandbox: give a secret with "
            f"{_USERNAME}=AWS and {_PASSWORD} from `aws ecr get-login-password`, or use the "
            "credential helper docker-credential-ecr-login"
        )
    if kind == pb.REGISTRY_AUTH_TYPE_GCP or (_GOOGLE in variables and _USERNAME not in variables):
        if not variables.get(_GOOGLE):
            raise invalid(f"the secret for a registry of Google needs {_GOOGLE}")
        return Login(_GOOGLE_USER, variables[_GOOGLE], source=f"the secret with {_GOOGLE}")
    missing = [name for name in (_USERNAME, _PASSWORD) if not variables.get(name)]
    if missing:
        raise invalid(f"the secret for a registry needs {' and '.join(missing)}")
    return Login(variables[_USERNAME], variables[_PASSWORD], source="the secret")
