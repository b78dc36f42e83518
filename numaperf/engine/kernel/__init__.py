"""The running Linux kernel as a subject: probes with real processes, each beside the model.

`validate.py` runs the probes that the machine and the rights allow (`here.py`), each in a process
apart with a budget of time, then the same cases in the model, and makes the rows of the table.
`probes/` holds one file a probe, found by scanning; its docstring says what a probe must have.
"""
