"""How the client reaches a server: loop, connections, calls, retries. Nothing of sandboxes."""
