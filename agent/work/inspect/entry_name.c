#include "entry_name.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/work/inspect/fault.h"
#include "protocol/json_text.h"

#define NAME_MAX_SIZE ((size_t) 4096)

static bool name_is_utf8(const char *name) {
	const uint8_t *at = (const uint8_t *) name;
	const uint8_t *end = at + strlen(name);
	uint32_t code;

	while (at < end) {
		if (!json_text_utf8(&at, end, &code))
			return false;
	}
	return true;
}

/* Control bytes, and the other kind of slash, which is one on Windows. */
static bool name_is_plain(const char *name) {
	for (; *name; name++) {
		if ((unsigned char) *name < ' ' || *name == 0x7f || *name == '\\')
			return false;
	}
	return true;
}

/* Each part between slashes is a name: not empty, no `.` and no `..`. */
static bool parts_are_names(const char *name) {
	for (;;) {
		size_t size = strcspn(name, "/");

		if (size == 0 || (size == 1 && name[0] == '.') ||
			(size == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		if (name[size] == '\0')
			return true;
		name += size + 1;
	}
}

int entry_name_check(const char *name, struct fault *fault) {
	if (strnlen(name, NAME_MAX_SIZE + 1) > NAME_MAX_SIZE)
		return fault_invalid(fault, "it has a name that is too long: '%.60s...'", name);
	if (!name_is_utf8(name))
		return fault_invalid(fault, "it has a name that is no UTF-8: '%.100s'", name);
	if (*name == '/')
		return fault_invalid(fault, "it has an absolute name: '%.100s'", name);
	if (!name_is_plain(name))
		return fault_invalid(fault, "it has a name with an odd character: '%.100s'", name);
	if (!parts_are_names(name))
		return fault_invalid(fault, "it has a name that leads astray: '%.100s'", name);
	return 0;
}
