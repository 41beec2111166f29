"""What the contract of engines has, as messages, and back; both ends use it.

A message may come from a hostile peer: what makes no sense in it is `Malformed`.
"""
