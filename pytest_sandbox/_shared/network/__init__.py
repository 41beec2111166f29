"""Networks of sandboxes: where connections may lead, what became of them, and planned faults.

What is here is the same for every engine; how bytes get from one side to the other is not.
"""
