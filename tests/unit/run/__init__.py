"""The launcher of the engine, which all workers of a run share."""
