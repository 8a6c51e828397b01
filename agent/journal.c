#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "protocol/cleanup.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* A newline behind the name, the value's size, a newline behind the value. */
#define FIELD_EXTRA (1 + sizeof(uint64_t) + 1)

/* "DEVICE:INODE" in decimal. */
static bool parse_stream(const char *text, uintmax_t *ret_device, uintmax_t *ret_inode) {
	char *end;

	errno = 0;
	*ret_device = strtoumax(text, &end, 10);
	if (errno != 0 || end == text || *end != ':')
		return false;
	text = end + 1;
	*ret_inode = strtoumax(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

bool journal_has_stderr(void) {
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	/* The variable alone says little: a shell that systemd started passes it on. */
	return stream && parse_stream(stream, &device, &inode) &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void journal_begin(struct journal_entry *entry) {
	entry->size = 0;
	entry->is_cut = false;
}

static void append(struct journal_entry *entry, const void *bytes, size_t size) {
	memcpy(entry->bytes + entry->size, bytes, size);
	entry->size += size;
}

void journal_add(struct journal_entry *entry, const char *name, const char *value) {
	size_t name_size = strlen(name), size = value ? strlen(value) : 0;
	uint8_t size_bytes[sizeof(uint64_t)];

	if (!value)
		return;
	if (name_size + size + FIELD_EXTRA > JOURNAL_ENTRY_MAX - entry->size) {
		entry->is_cut = true;
		return;
	}
	for (size_t i = 0; i < sizeof(size_bytes); i++) /* Little-endian. */
		size_bytes[i] = (uint8_t) ((uint64_t) size >> (8 * i));
	append(entry, name, name_size);
	append(entry, "\n", 1);
	append(entry, size_bytes, sizeof(size_bytes));
	append(entry, value, size);
	append(entry, "\n", 1);
}

int journal_send(const struct journal_entry *entry) {
	const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
	_cleanup_(fd_closep) int fd = -1;

	if (entry->is_cut)
		return -EMSGSIZE;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* By name each time: it finds a journal that was started anew. */
	if (sendto(fd, entry->bytes, entry->size, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *) &journal, sizeof(journal)) < 0)
		return -errno;
	return 0;
}
