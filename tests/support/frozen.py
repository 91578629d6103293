"""Importing this leaves all that is imported by now out of the rounds of the garbage collector.

A round would copy it into each process that is forked from here.
"""

import gc

gc.freeze()
