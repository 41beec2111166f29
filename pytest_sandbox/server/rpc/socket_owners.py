"""Which user has a TCP socket of this machine: the kernel knows it by its two addresses."""

import errno
import os
import socket
import struct

#: linux/netlink.h, linux/sock_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLMSG_ERROR, _NLM_F_REQUEST = 2, 1
_EVERY_STATE, _ANY_COOKIE = 0xFFFFFFFF, 0xFFFFFFFF
#: struct nlmsghdr: length, type, flags, sequence, port.
_HEADER = struct.Struct("=IHHII")
#: struct inet_diag_req_v2 up to the addresses: family, protocol, extensions, padding, states.
_REQUEST = struct.Struct("=BBBBI")
#: The end of struct inet_diag_msg: expires, two queues, uid, inode.
_END = struct.Struct("=5I")
#: Where that is: after the header, four bytes, and struct inet_diag_sockid.
_END_AT = _HEADER.size + 4 + 48
#: What kernels answer that lack the protocol, or its part for TCP.
_MISSING = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)

#: The lists that have sockets of a family, and what is before an address there: a socket of IPv6
#: may be connected to an address of IPv4.
_LISTS: dict[int, tuple[tuple[str, bytes], ...]] = {
    socket.AF_INET: (("tcp", b""), ("tcp6", bytes(10) + b"\xff\xff")),
    socket.AF_INET6: (("tcp6", b""),),
}

Address = tuple[str, int]


def owner_of(family: int, address: Address, peer: Address) -> int:
    """The user id of the TCP socket at `address` that is connected to `peer`.

    An id that our user namespace does not have is the overflow id, user_namespaces(7).

    Args:
        family: `socket.AF_INET` or `socket.AF_INET6`.
        address: of that socket, host and port.
        peer: of the socket that it is connected to.

    Raises:
        OSError: there is no such socket, no process has it open any more, or the kernel does not
            say whose it is.
    """
    try:
        uid, inode = _ask(family, address, peer)
    except OSError as error:
        if error.errno not in _MISSING:
            raise
        uid, inode = _look_up(family, address, peer)
    if not inode:
        # What no process has open belongs to root, says the kernel, whoever had it before.
        raise ConnectionResetError(errno.ECONNRESET, "it was closed at once")
    return uid


def _ask(family: int, address: Address, peer: Address) -> tuple[int, int]:
    """User id and inode by sock_diag(7)."""
    ports = struct.pack("!HH", address[1], peer[1])
    hosts = b"".join(socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (address, peer))
    any_other = struct.pack("=III", 0, _ANY_COOKIE, _ANY_COOKIE)  # interface, cookie
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _EVERY_STATE) + ports + hosts + any_other
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.setblocking(False)  # the kernel has answered when the request is sent
        netlink.send(header + body)
        answer = netlink.recv(4096)
    if _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        raise OSError(number, os.strerror(number))
    _, _, _, uid, inode = _END.unpack_from(answer, _END_AT)
    return uid, inode


def _look_up(family: int, address: Address, peer: Address) -> tuple[int, int]:
    """The same in the lists of all sockets, proc_net(5): slow where there are many."""
    for name, prefix in _LISTS[family]:
        wanted = [_written(family, prefix, each) for each in (address, peer)]
        with open(f"/proc/net/{name}") as lines:
            for line in lines:
                fields = line.split()
                if fields[1:3] == wanted:
                    return int(fields[7]), int(fields[9])
    raise ConnectionResetError(errno.ECONNRESET, "it is not in the list of sockets")


def _written(family: int, prefix: bytes, address: Address) -> str:
    """An address as these lists have it: words of 32 bits in hexadecimal."""
    host, port = address
    words = struct.iter_unpack("=I", prefix + socket.inet_pton(family, host))
    return f"{''.join(f'{word:08X}' for (word,) in words)}:{port:04X}"
