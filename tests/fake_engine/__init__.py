"""The engine in memory, compared with the kernel, with real shells and with the local engine."""
