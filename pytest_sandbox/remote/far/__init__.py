"""The far side: the calls of one run, served by an engine of this machine."""
