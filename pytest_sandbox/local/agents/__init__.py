"""Runs in the engine process: its ends of agents and jobs; commands, files, ports of a task.

For each engine that has agents. How they are started, and in what, is not here.
"""
