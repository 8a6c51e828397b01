#include "choice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/home.h"

#define CHOICE "store"
#define CHOICE_SIZE_MAX 256

int choice_read(struct choice *ret) {
	_cleanup_(fd_closep) int directory = -1;
	_cleanup_(freep) uint8_t *bytes = NULL;
	char text[CHOICE_SIZE_MAX + 1];
	struct choice choice = {0};
	const char *leftover;
	size_t size;
	int r;

	r = home_open(HOME_STATE, false, &directory);
	if (r < 0)
		return r;
	r = home_read(directory, CHOICE, CHOICE_SIZE_MAX, &bytes, &size);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (sscanf(text, "store %15[a-z] generation %" SCNu64, choice.medium, &choice.generation) <
		2)
		return -EBADMSG;
	choice.is_open = strstr(text, "\nopen\n") != NULL;
	leftover = strstr(text, "\nleftover ");
	if (leftover)
		(void) sscanf(leftover, " leftover %15[a-z]", choice.leftover); /* Or none. */
	/* Never recorded by us: nothing of it outlives its process. */
	if (strcmp(choice.medium, "memory") == 0)
		return -EBADMSG;
	*ret = choice;
	return 0;
}

int choice_write(const struct choice *choice) {
	_cleanup_(fd_closep) int directory = -1;
	char text[CHOICE_SIZE_MAX];
	int n, r;

	r = home_open(HOME_STATE, true, &directory);
	if (r < 0)
		return r;
	n = snprintf(text, sizeof(text), "store %s\ngeneration %" PRIu64 "\n%s%s%s%s",
		choice->medium, choice->generation, choice->is_open ? "open\n" : "",
		choice->leftover[0] ? "leftover " : "", choice->leftover,
		choice->leftover[0] ? "\n" : "");
	return home_replace(directory, CHOICE, text, (size_t) n);
}

int choice_erase(void) {
	_cleanup_(fd_closep) int directory = -1;
	int r = home_open(HOME_STATE, false, &directory);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (unlinkat(directory, CHOICE, 0) < 0 && errno != ENOENT)
		return -errno;
	return fsync(directory) < 0 ? -errno : 0;
}
