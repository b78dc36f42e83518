"""The kernel's instruction paths that the model does not have, as declared costs in cycles.

A kernel operation runs many instructions besides the memory accesses that are modelled one by
one: a visit of rmap_walk prepares a folio walk and a notifier range, makes two indirect calls and
checks for rescheduling; mapping a PTE enters RCU and finds the table's lock through its struct
page; kmem_cache_alloc charges the object to its control group. Without them a visit costs 10 to
20 ns here and 73 to 170 ns in the kernel, and lock hold times would be too short by that factor.

The figures are chosen, not measured one by one: they bring a wasted visit of each class and an
AVC at fork to about what was measured on Linux 6.18 (visits of 73, 115 and 170 ns, 130 ns an AVC,
on a Zen 4 guest; 115, 145 and 163 ns a visit on a Sapphire Rapids guest). A bare fork took 17 us
there and 30 us on the Zen 4 guest, its exit and the parent's wait 38 us, a PTE 16 ns (50 ns) at
fork and 22 ns (56 ns) at exit. `./run.sh bench` and benchmarks/mm.py show both sides. Every design
pays the same for the same step.

Swap-in was measured with pages of zeros, which 6.18 marks (swap_zeromap) and never hands to the
swap device: SWAP_IN holds no decompression and is paid by plain swap too. What compressed swap adds
is published: LZO, which zram uses by default (as lzo-rle), compresses 670 MB/s and expands 860 MB/s
on a Core i7-9700K at 4.9 GHz (LZO 2.09 in the table of the README of lz4 1.9, Silesia corpus, of
large blocks). 4096 bytes are 6.1 us and 4.8 us there, in that machine's cycles as below. lzo-rle is
faster on pages with runs of zeros (5ee4014af99f "lib/lzo: implement run-length encoding"). LZ4
would take 25,700 and 4,000 cycles (780 and 4970 MB/s).
"""

import numpy as np

VISIT = np.int64(230)  # rmap_walk_anon and try_to_unmap_one or folio_referenced_one to the pmd
MAP_PTE = np.int64(90)  # pte_offset_map: rcu_read_lock, the table's struct page
CHECK_PTE = np.int64(110)  # pte lock and unlock with their preemption counts, pmd_same, check_pte
ALLOCATE = np.int64(220)  # kmem_cache_alloc with control-group accounting, and the free later
RECLAIM_PAGE = np.int64(3700)  # shrink_folio_list around the walks: 1.75 us a page; 1.1 there
SWAP_IN = np.int64(3500)  # a fault's entry, do_swap_page, the slot: 1.15 us a page there
COMPRESS = np.int64(30_000)  # zram_write_page: lzo1x_1_compress of a page
DECOMPRESS = np.int64(23_300)  # zram_read_page: lzo1x_decompress_safe
#: Bytes of swap space a page takes, plain and compressed: 2:1 is what zram.rst expects, and LZO has
#: 2.108 in that table. Tables of the whole device (swap_map, zram's) are there used or not.
SLOT_BYTES = (4096, 2048)
TREE_NODE = np.int64(15)  # mas_walk: one node of the descent
FORK = np.int64(80_000)  # copy_process without the address space: 20 us there
EXIT = np.int64(150_000)  # do_exit, the parent's wait and release_task: 38 us there
COPY_PTE = np.int64(40)  # copy_present_ptes, folio_try_dup_anon_rmap_ptes
ZAP_PTE = np.int64(80)  # zap_present_folio_ptes, the gathering and folios_put_refs
