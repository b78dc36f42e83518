"""One file a probe, found by scanning. A probe has

- literals: `NAME`; `ORDER`, its place in the table; `BUDGET_S`, seconds after which it is stopped;
- `CASES`: a tuple of `rows.Case`, one a row of the table;
- `missing(here)`: "" or the reason why this machine, or these rights, cannot run any of it;
- `measure(here)`: the kernel's figures by case name. It runs in a process apart, whose children
  all end with it, and changes nothing that outlives them;
- `model(design, here)`: the same cases in the model, by Python name of the design.

Both give a mapping of case name -> `rows.Figure`, or -> text, the reason why that case is missing.
Importing a probe loads neither numba nor numpy: `model` imports what it needs.
"""
