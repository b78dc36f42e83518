/*
 * The C twins of numaperf/sync/locks: the same algorithms on the same memory, and loops over them.
 *
 * benchmarks/locks.py compiles this with gcc -O3 -march=native and gives the layout as macros,
 * taken from numaperf/sync/layout.py: AT_WAIT, AT_PARKED (bytes from the base), AT_WORKERS,
 * WORKER_SIZE, AT_LOCK, STAT_STRIDE, NODE_NEXT, NODE_LOCKED. Line for line the verbs of the Python
 * files; the comments on ordering are there.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int64_t word;
typedef struct {
	char *base;
	word cpu;
} world;

enum { SPIN, YIELD, PARK };
enum { SPINS = 100, FUTEX_WAIT_ = 0, FUTEX_WAKE_ = 1 };

#define INLINE static inline __attribute__((always_inline))
#define SLOW static __attribute__((noinline))

/* ---- primitives ---- */
INLINE word load(word *a) { return __atomic_load_n(a, __ATOMIC_ACQUIRE); }
INLINE void store(word *a, word v) { __atomic_store_n(a, v, __ATOMIC_RELEASE); }
INLINE word add(word *a, word v) { return __atomic_fetch_add(a, v, __ATOMIC_SEQ_CST); }
INLINE word xchg(word *a, word v) { return __atomic_exchange_n(a, v, __ATOMIC_SEQ_CST); }
INLINE word bit_or(word *a, word v) { return __atomic_fetch_or(a, v, __ATOMIC_SEQ_CST); }
INLINE int cas(word *a, word expected, word new)
{
	return __atomic_compare_exchange_n(a, &expected, new, 0, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}
INLINE void relax_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}
INLINE word now(void)
{
#if defined(__x86_64__)
	return (word)__builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	word t;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t)::"memory");
	return t;
#endif
}
INLINE word policy(world w) { return *(word *)(w.base + AT_WAIT); }
INLINE word *parked(world w) { return (word *)(w.base + AT_PARKED); }

SLOW void futex(word *a, word operation, word value)
{
	syscall(SYS_futex, a, operation, value & 0xffffffff, 0, 0, 0);
}
SLOW void wait_while(world w, word *a, word value)
{
	word p = policy(w), spins = 0;
	while (load(a) == value) {
		if (p == SPIN || ++spins <= SPINS) {
			relax_cpu();
		} else if (p == PARK) {
			add(parked(w), 1);
			futex(a, FUTEX_WAIT_, value);
			add(parked(w), -1);
		} else {
			sched_yield();
		}
	}
}
INLINE void wake(world w, word *a)
{
	if (policy(w) == PARK) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(parked(w), __ATOMIC_RELAXED) != 0)
			futex(a, FUTEX_WAKE_, 0x7fffffff);
	}
}
INLINE word since(word began)
{
	word waited = now() - began;
	return waited > 1 ? waited : 1;
}

/* ---- null ---- */
INLINE word null_lock(world w, word *a, word k) { return 0; }
INLINE void null_unlock(world w, word *a, word k) { }

/* ---- ttas ---- */
SLOW word ttas_wait(world w, word *a)
{
	word began = now();
	do
		wait_while(w, a, 1);
	while (!cas(a, 0, 1));
	return since(began);
}
INLINE word ttas_lock(world w, word *a, word k) { return cas(a, 0, 1) ? 0 : ttas_wait(w, a); }
INLINE void ttas_unlock(world w, word *a, word k)
{
	store(a, 0);
	wake(w, a);
}

/* ---- ticket: a[0] next, a[1] served ---- */
SLOW word turn_wait(world w, word *a, word mine)
{
	word began = now(), turn;
	while ((turn = load(a)) != mine)
		wait_while(w, a, turn);
	return since(began);
}
INLINE word ticket_lock(world w, word *a, word k)
{
	word mine = add(a, 1);
	return load(a + 1) == mine ? 0 : turn_wait(w, a + 1, mine);
}
INLINE void ticket_unlock(world w, word *a, word k)
{
	store(a + 1, load(a + 1) + 1);
	wake(w, a + 1);
}

/* ---- mcs ---- */
INLINE char *mcs_node(world w, word cpu, word k)
{
	return w.base + AT_WORKERS + WORKER_SIZE * cpu + AT_LOCK + STAT_STRIDE * k;
}
SLOW word mcs_wait(world w, char *node, word before, word k)
{
	word began = now();
	word *link = (word *)(mcs_node(w, before - 1, k) + NODE_NEXT);
	store((word *)(node + NODE_LOCKED), 1);
	store(link, w.cpu + 1);
	wake(w, link);
	wait_while(w, (word *)(node + NODE_LOCKED), 1);
	return since(began);
}
INLINE word mcs_lock(world w, word *a, word k)
{
	char *node = mcs_node(w, w.cpu, k);
	word before;
	store((word *)(node + NODE_NEXT), 0);
	before = xchg(a, w.cpu + 1);
	return before == 0 ? 0 : mcs_wait(w, node, before, k);
}
INLINE void mcs_unlock(world w, word *a, word k)
{
	word *link = (word *)(mcs_node(w, w.cpu, k) + NODE_NEXT), *locked;
	word after = load(link);
	if (after == 0) {
		if (cas(a, w.cpu + 1, 0))
			return;
		wait_while(w, link, 0);
		after = load(link);
	}
	locked = (word *)(mcs_node(w, after - 1, k) + NODE_LOCKED);
	store(locked, 0);
	wake(w, locked);
}

/* ---- futex ---- */
SLOW word futex_wait(world w, word *a)
{
	word began = now();
	for (int spins = 0; spins < SPINS; spins++) {
		if (load(a) == 0 && cas(a, 0, 1))
			return since(began);
		relax_cpu();
	}
	while (xchg(a, 2) != 0)
		futex(a, FUTEX_WAIT_, 2);
	return since(began);
}
INLINE word futex_lock(world w, word *a, word k) { return cas(a, 0, 1) ? 0 : futex_wait(w, a); }
INLINE void futex_unlock(world w, word *a, word k)
{
	if (xchg(a, 0) == 2)
		futex(a, FUTEX_WAKE_, 1);
}

/* ---- rwsem_fifo: a[0] next, a[1] read, a[2] write ---- */
INLINE word rwsem_fifo_lock(world w, word *a, word k)
{
	word mine = add(a, 1);
	return load(a + 2) == mine ? 0 : turn_wait(w, a + 2, mine);
}
INLINE void rwsem_fifo_unlock(world w, word *a, word k)
{
	store(a + 1, load(a + 2) + 1);
	wake(w, a + 1);
	add(a + 2, 1);
	wake(w, a + 2);
}
INLINE word rwsem_fifo_read_lock(world w, word *a, word k)
{
	word mine = add(a, 1), waited = 0;
	if (load(a + 1) != mine)
		waited = turn_wait(w, a + 1, mine);
	store(a + 1, mine + 1);
	wake(w, a + 1);
	return waited;
}
INLINE void rwsem_fifo_read_unlock(world w, word *a, word k)
{
	add(a + 2, 1);
	wake(w, a + 2);
}

/* ---- rwsem_reader_biased: writer bit, count of readers ---- */
enum { WRITER = 1, READER = 256 };

SLOW word biased_write_wait(world w, word *a)
{
	word began = now(), seen;
	for (;;) {
		seen = load(a);
		if (seen != 0)
			wait_while(w, a, seen);
		else if (cas(a, 0, WRITER))
			return since(began);
	}
}
SLOW word biased_read_wait(world w, word *a)
{
	word began = now(), seen;
	while ((seen = load(a)) & WRITER)
		wait_while(w, a, seen);
	return since(began);
}
INLINE word rwsem_reader_biased_lock(world w, word *a, word k)
{
	return cas(a, 0, WRITER) ? 0 : biased_write_wait(w, a);
}
INLINE word rwsem_reader_biased_read_lock(world w, word *a, word k)
{
	return (add(a, READER) & WRITER) == 0 ? 0 : biased_read_wait(w, a);
}
INLINE void leave(world w, word *a, word held)
{
	add(a, -held);
	wake(w, a);
}
#define rwsem_reader_biased_unlock(w, a, k) leave(w, a, WRITER)
#define rwsem_reader_biased_read_unlock(w, a, k) leave(w, a, READER)

/* ---- rwsem_stealing: writer bit, hand-off bit, readers, waiters, turns ---- */
enum { HANDOFF = 2, CLOSED = 3, S_READER = 1 << 2, WAITER = 1 << 16, TURN = 1 << 30 };
enum { READING = WAITER - S_READER, WAITING = TURN - WAITER, BUSY = CLOSED | READING };
#if defined(__x86_64__)
enum { HANDOFF_TICKS = 10000000 };
#else
enum { HANDOFF_TICKS = 4000000 };
#endif

INLINE word demand(word *a, word seen, word began)
{
	if ((seen & HANDOFF) == 0 && now() - began > HANDOFF_TICKS)
		return HANDOFF - (bit_or(a, HANDOFF) & HANDOFF);
	return 0;
}
SLOW word stealing_write_wait(world w, word *a)
{
	word began = now(), mine = 0;
	add(a, WAITER);
	for (;;) {
		word seen = load(a);
		if ((seen & BUSY) == mine) {
			word left = seen - mine - WAITER;
			if (cas(a, seen, (left & WAITING) == 0 ? WRITER : left + TURN + WRITER))
				return since(began);
		} else {
			mine |= demand(a, seen, began);
			wait_while(w, a, seen);
		}
	}
}
SLOW word stealing_read_wait(world w, word *a, word seen)
{
	word began, mine = 0;
	if ((seen & CLOSED) == 0) {
		add(a, TURN);
		return 0;
	}
	began = now();
	for (;;) {
		add(a, WAITER - S_READER);
		wake(w, a);
		while (((seen = load(a)) & CLOSED) != mine) {
			mine |= demand(a, seen, began);
			wait_while(w, a, seen);
		}
		if ((add(a, S_READER - WAITER + TURN - mine) & CLOSED) == mine) {
			if (mine != 0)
				wake(w, a);
			return since(began);
		}
	}
}
INLINE word rwsem_stealing_lock(world w, word *a, word k)
{
	return cas(a, 0, WRITER) ? 0 : stealing_write_wait(w, a);
}
INLINE word rwsem_stealing_read_lock(world w, word *a, word k)
{
	word seen = add(a, S_READER);
	return (seen & (CLOSED | WAITING)) == 0 ? 0 : stealing_read_wait(w, a, seen);
}
#define rwsem_stealing_unlock(w, a, k) leave(w, a, WRITER)
#define rwsem_stealing_read_unlock(w, a, k) leave(w, a, S_READER)

/* ---- loops: `count` times, or until the stop flag, as a worker's window does ---- */
#define LOOP(name)                                                                               \
	word loop_##name(world w, word *a, word k, word *stop, word count)                       \
	{                                                                                        \
		word waited = 0;                                                                 \
		for (word i = 0; i < count; i++) {                                               \
			if (__atomic_load_n(stop, __ATOMIC_RELAXED) != 0)                        \
				break;                                                           \
			waited += name##_lock(w, a, k);                                          \
			name##_unlock(w, a, k);                                                  \
		}                                                                                \
		return waited;                                                                   \
	}

LOOP(null)
LOOP(ttas)
LOOP(ticket)
LOOP(mcs)
LOOP(futex)
LOOP(rwsem_fifo)
LOOP(rwsem_fifo_read)
LOOP(rwsem_reader_biased)
LOOP(rwsem_reader_biased_read)
LOOP(rwsem_stealing)
LOOP(rwsem_stealing_read)
