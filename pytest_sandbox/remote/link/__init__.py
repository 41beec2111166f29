"""One ordered connection between two machines for each run, which survives lost connections.

What is written at one end is read at the other, once and in order, until the session is over. In
between, connections come and go: TLS over TCP, a tunnel of ssh. HTTP/2 and gRPC run on it and
notice only a pause. So no call is ever repeated, and nothing that a peer has acknowledged is lost.
"""
