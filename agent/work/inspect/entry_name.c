#include "entry_name.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "agent/work/inspect/fault.h"
#include "protocol/json_text.h"

#define NAME_MAX_SIZE ((size_t) 4096)
/* Folders and the file. */
#define NAME_MAX_PARTS 64

/* What cargo packages in no file's name, for Windows has none such. */
#define ODD_ON_WINDOWS "<>:\"|?*"

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

/* Control characters, and those that break a line or change what is seen of it. */
static bool code_is_odd(uint32_t code) {
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x206f);
}

/* Of a name in UTF-8. And the other kind of slash is one on Windows. */
static bool name_is_plain(const char *name) {
	const uint8_t *at = (const uint8_t *) name;
	const uint8_t *end = at + strlen(name);
	const char *slash = strrchr(name, '/');
	uint32_t code;

	while (at < end) {
		if (!json_text_utf8(&at, end, &code) || code_is_odd(code) || code == '\\')
			return false;
	}
	return !strpbrk(slash ? slash : name, ODD_ON_WINDOWS);
}

static size_t name_count_parts(const char *name) {
	size_t n = 1;

	for (; *name; name++)
		n += *name == '/';
	return n;
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
	if (name_count_parts(name) > NAME_MAX_PARTS)
		return fault_invalid(fault, "it has a name in too many folders: '%.60s...'", name);
	return 0;
}

/* Without the dots and blanks at its end, which Windows leaves out. */
static size_t part_size_on_windows(const char *part, size_t size) {
	while (size > 0 && (part[size - 1] == '.' || part[size - 1] == ' '))
		size--;
	return size;
}

/* U+200C, U+200D and U+FEFF; HFS+ sees none of them. */
static bool is_unseen(const char *at) {
	return strncmp(at, "\xe2\x80\x8c", 3) == 0 || strncmp(at, "\xe2\x80\x8d", 3) == 0 ||
	       strncmp(at, "\xef\xbb\xbf", 3) == 0;
}

/* `CARGO~1.TOM`, or with a sum `CA1B2C~1.TOM`: a second name that Windows makes for a long one. */
static bool part_is_short_name(const char *part, size_t size, const char *name) {
	const char *tilde = memchr(part, '~', size);
	const char *dot = strrchr(name, '.');

	if (!tilde || !dot || strncasecmp(part, name, 2) != 0)
		return false;
	size_t n_digits = strspn(tilde + 1, "0123456789");
	const char *rest = tilde + 1 + n_digits;
	return n_digits > 0 && part + size == rest + 4 && strncasecmp(rest, dot, 4) == 0;
}

bool entry_name_is_like(const char *entry, const char *name) {
	/* What follows a colon is another stream of the same file. */
	size_t size = part_size_on_windows(entry, strcspn(entry, "/:"));
	size_t n = 0;

	if (part_is_short_name(entry, size, name))
		return true;
	for (size_t at = 0; at < size;) {
		if (is_unseen(entry + at)) {
			at += 3;
			continue;
		}
		if (strncasecmp(entry + at++, name + n++, 1) != 0)
			return false;
	}
	return name[n] == '\0';
}

/* The names of devices, whatever follows a dot. */
static bool part_is_device(const char *part, size_t size) {
	static const char *const devices[] = {"con", "prn", "aux", "nul", "conin$", "conout$"};
	static const char *const digits[] = {
		"1", "2", "3", "4", "5", "6", "7", "8", "9", "\u00b9", "\u00b2", "\u00b3"};
	const char *dot = memchr(part, '.', size);

	size = part_size_on_windows(part, dot ? (size_t) (dot - part) : size);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (size == strlen(devices[i]) && strncasecmp(part, devices[i], size) == 0)
			return true;
	}
	if (size < 4 || (strncasecmp(part, "com", 3) != 0 && strncasecmp(part, "lpt", 3) != 0))
		return false;
	for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		if (size - 3 == strlen(digits[i]) && memcmp(part + 3, digits[i], size - 3) == 0)
			return true;
	}
	return false;
}

bool entry_name_is_windows_safe(const char *name) {
	if (strpbrk(name, ODD_ON_WINDOWS))
		return false;
	for (;;) {
		size_t size = strcspn(name, "/");

		if (part_size_on_windows(name, size) < size || part_is_device(name, size))
			return false;
		if (name[size] == '\0')
			return true;
		name += size + 1;
	}
}
