/* C twin for benchmarks/mm.py: a 4 KiB copy between page frames that are not in the caches. */
#include <stdint.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

/*
 * Copy page order[i] of `source` to page order[count - 1 - i] of `target`, one after another, as a
 * COW fault finds old and new page anywhere; ns a page. With `complete`, each copy has reached the
 * caches before the next begins, as before the locked instruction that follows it in a fault;
 * without, copies overlap.
 */
double copy_pages(char *target, const char *source, const int64_t *order, int64_t count,
		  int64_t complete)
{
	double began = seconds();

	for (int64_t i = 0; i < count; i++) {
		memcpy(target + 4096 * order[count - 1 - i], source + 4096 * order[i], 4096);
		if (complete)
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return 1e9 * (seconds() - began) / count;
}
