"""Checks the ports of a sandbox before it is created."""

from pytest_sandbox._proto import sandboxes_pb2 as pb
from pytest_sandbox.engine import Capability, EngineInfo

from ..networks.network import is_blocked
from ..rpc.errors import invalid, precondition, unimplemented


def check_ports(definition: pb.Sandbox, info: EngineInfo) -> None:
    """Refuse ports that no tunnel can lead to.

    Raises:
        GRPCError: FAILED_PRECONDITION, INVALID_ARGUMENT or UNIMPLEMENTED.
    """
    specs = definition.open_ports.ports
    if not specs:
        return
    for spec in specs:
        _check(spec, info)
    ports = [spec.port for spec in specs]
    for port in ports:
        if ports.count(port) > 1:
            raise invalid(f"port {port} is given twice: one port has one tunnel")
    if is_blocked(definition):
        raise invalid(f"port {specs[0].port} cannot be opened with block_network=True")


def _check(spec: pb.PortSpec, info: EngineInfo) -> None:
    argument = f"{_argument(spec)}={spec.port}"
    if not 0 < spec.port < 65536:
        raise invalid(f"{argument} is not a port from 1 to 65535")
    if Capability.PORT not in info.capabilities:
        raise unimplemented(
            f"{argument}: the engine {info.name!r} cannot connect to ports of sandboxes"
        )
    if spec.unencrypted:
        return
    from ..certificates import Authority, remedy

    if not Authority.available():
        raise precondition(f"{argument} {remedy()}")


def _argument(spec: pb.PortSpec) -> str:
    if spec.unencrypted:
        return "unencrypted_ports"
    return "h2_ports" if spec.tunnel_type == pb.TUNNEL_TYPE_H2 else "encrypted_ports"
