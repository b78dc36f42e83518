"""Designs: who may map this page? One file each, found by scanning this folder, or by entry point.

Start from `single_anon_vma.py`, the smallest. A file begins with its docstring: *Models* (kernel
version or proposal, with source), *Lock order*, *Faithful / Simplified / Left out*. Then literals:

- `NAME`; `CAVEAT`, what a reader of its results must know, or ""; `LOCK_ORDER`, of lock classes
- `LOCK_MODELS` out of as-proposed, giant (mm/giant.py serialises everything: the design's own lock
  is address 0), coarse (one lock for all: `header_at(w, 0).at_family_lock`) and fine; the first is
  the default. A kernel asks `header_at(w, 0).lock_model`
- `DEFAULT_LOCK`: a lock's name, or a dict from lock model to name
- `OBJECTS`: kind -> ("design_N", bytes of one in the kernel), what a result counts as memory
- `SLABS`: (table, field that links its free rows, N), N from 0 to 2. mm/sizing.py gives slab 0 a
  row for each faulted VMA and process of the run, slab 1 as many times as many as a process has
  ancestors, slab 2 some fifty a worker; SLAB_DESIGN + N is its number for `slab_alloc`
- `TYPE_SAFE`, where there are any: tables whose free rows may be read, as readers look again under
  a lock. tests/model takes a read of any other free row for a bug
- `INLINE_BYTES`, where there are any: bytes the design adds to every page frame
- `VARIANT`, where there are any: bits of the run's header that kernels read where variants differ

Then its rows: `record(...)` line by cache line, `design_table(name, N, dtype, meaning)` with a name
that no other design has; a marker class (an empty NamedTuple) called `MARKER`; and
`register_design(Marker, hook=kernel, ...)`. mm/hooks.py says what each hook is told and may rely
on. Kernels are plain loops under `@njit(**J)`: `load` and `store` for a word that others may write
at the same time, plain fields for what a lock guards, `touch` where a cache line is first met.

What is easily missed: fork copies PTEs while walks run, so a walk must meet a parent's VMA before
its child's, or look again where a fork has come between (cow_context_walk.py); a walk may come for
a page that is dead, and its object's row may then be another's; in the second half of a migration
(this worker's `migrating` is not 0) no PTE maps the page and it must be walked all the same.

Of the manager's rows a design may use for itself: a page's `mapping` (which object it names), a
VMA's `anon_vma`, `anon_vma_chain`, `family_next` and `family_prev`, an mm's `cow_context`. A VMA
begins with `anon_vma` and `anon_vma_chain` zero.

A file that shares another's kernels and differs by a rule is a variant: its own literals, VARIANT
among them, and `MARKER = other.MARKER`; anon_vma_7_3.py is one.
"""
