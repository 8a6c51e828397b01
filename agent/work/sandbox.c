#include "sandbox.h"

#include "agent/work/filter.h"
#include "agent/work/landlock.h"

#if SANDBOX_IS_BUILT

int sandbox_enter(enum sandbox sandbox) {
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
