"""Starting the zygote before the engine is imported: each takes about as long as the other."""

from .engine.links.zygote_process import start_ahead as start_ahead
