"""Where a sandbox is to run: names of clouds, regions and runtimes, without an effect here."""

import re

from pytest_sandbox._proto import sandboxes_pb2 as pb

from ..rpc.errors import invalid, unimplemented

_CLOUDS = ("auto", "aws", "azure", "gcp", "oci")
#: What isolates Modal's containers; it picks one itself if its caller names none.
_RUNTIMES = ("gvisor", "vm")
#: Broad names ("us", "eu-west") and those of clouds ("us-east-1", "us-east4", "us-ashburn-1").
_REGION = re.compile(
    r"(af|ap|asia|au|australia|ca|eu|europe|il|jp|me|mx|northamerica|sa|southamerica|uk|us)"
    r"(-[a-z]{2,16}){0,2}(-?[0-9]{1,2})?"
)


def check_placement(definition: pb.Sandbox) -> None:
    """Refuse a cloud, region or runtime that is none; all run on this machine.

    Raises:
        GRPCError: INVALID_ARGUMENT; UNIMPLEMENTED for more than a region.
    """
    cloud = definition.cloud_provider_str
    if cloud and cloud.lower() not in _CLOUDS:
        raise invalid(f"cloud={cloud!r} is not known: use one of {', '.join(_CLOUDS)}, or none")
    runtime = definition.runtime
    if runtime and runtime not in _RUNTIMES:
        known = ", ".join(_RUNTIMES)
        raise invalid(f"runtime={runtime!r} is not known: use one of {known}, or none")
    placement = definition.scheduler_placement
    for region in placement.regions:
        if not _REGION.fullmatch(region):
            raise invalid(f"region={region!r} is not known: use one such as 'us', 'eu-west-1'")
    for field, _ in placement.ListFields():
        if field.name != "regions":
            raise unimplemented(
                f"SchedulerPlacement({field.name.lstrip('_')}=...) is not implemented by "
                "pytest-sandbox: name a region at most"
            )
