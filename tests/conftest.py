"""For every test: Ctrl-C means what it means in a terminal.

A shell without job control starts background jobs with SIGINT ignored, which every child inherits;
the tests that interrupt a sweep would then interrupt nothing.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
