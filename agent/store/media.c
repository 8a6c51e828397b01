#include <errno.h>
#include <string.h>

#include "medium.h"

/* A new medium: one file, and one row here. */
static const struct {
	const char *name;
	int (*make)(struct agent *agent, struct medium **ret);
} media[] = {
	{"vault", file_medium_new},
	{"keyring", keyring_medium_new},
	{"memory", memory_medium_new},
};

int medium_new(const char *name, struct agent *agent, struct medium **ret) {
	for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++) {
		if (strcmp(media[i].name, name) == 0)
			return media[i].make(agent, ret);
	}
	return -ENOTSUP;
}
