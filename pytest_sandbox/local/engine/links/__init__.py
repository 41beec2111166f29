"""The engine process's ends of its sockets to the zygote, the agents and their jobs."""
