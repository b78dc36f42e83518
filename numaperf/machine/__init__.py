"""The machine: its topology, placements on it, shared segments, what may disturb a run, one run at
a time. Knows nobody above it: imports only errors and discover."""
