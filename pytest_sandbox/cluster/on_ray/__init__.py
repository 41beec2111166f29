"""Clusters of Ray: an actor on each node serves its engine, and Ray says where sandboxes go.

Sandboxes are reached without Ray: the engine of a run connects to those of the nodes itself.
"""
