"""Wire formats of inference endpoints, a socket: one file, one object named ``DIALECT``, found by file name.

``dialect`` says what a dialect is; ``events`` reads server-sent events. Everything else here is a dialect.
"""
