"""File operations of the client: read, write, pack, unpack, watch. Commands are in `process/`."""
