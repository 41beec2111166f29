"""An engine on another machine: the engine contract over gRPC.

`near/` is here, in the place of an engine of this machine; `far/` is there and serves one; `link/`
connects the two, and outlives the connections that carry it.
"""
