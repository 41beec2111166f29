"""How much either side sends ahead of what the other has taken."""

#: Bytes of a connection to a port, in each direction.
PORT_WINDOW = 1024 * 1024
