#include "sandbox.h"

#include <errno.h>
#include <sys/resource.h>

#include "agent/work/filter.h"
#include "agent/work/landlock.h"

#if SANDBOX_IS_BUILT

/* Address space of a process that unpacks: the libraries, its tables, the largest manifest. */
#define INSPECT_MEMORY_MAX ((rlim_t) 256 * 1024 * 1024)

/* What asks for more gets none, and the worker says so. */
static int sandbox_limit_memory(void) {
	const struct rlimit limit = {INSPECT_MEMORY_MAX, INSPECT_MEMORY_MAX};

	return setrlimit(RLIMIT_AS, &limit) < 0 ? -errno : 0;
}

int sandbox_enter(enum sandbox sandbox) {
	if (sandbox == SANDBOX_INSPECT) {
		int r = sandbox_limit_memory();
		if (r < 0)
			return r;
	}
	/* Two fences, each useful without the other; the filter forbids Landlock's own calls. */
	int r = landlock_enter(sandbox);
	if (r < 0)
		return r;
	return filter_enter(sandbox);
}

#else

int sandbox_enter(enum sandbox sandbox) {
	(void) sandbox;
	return 0;
}

#endif
