/*
 * An archive that is taken has files and folders below one top folder, each name once,
 * plain and sorted, and a manifest; read once more it is the same, and so is the content
 * of each file in it. One that is not taken has a rule that says why, in one clean line.
 * The first byte says what the rest is: a crate file, or a tar archive that gets its
 * headers' sums right and is packed first, for no fuzzer gets past a checksum.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/memory_file.h"
#include "protocol/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_MAX_READ ((size_t) 1 << 20)

/* The bytes as one gzip member, not packed; the caller frees. */
static uint8_t *pack(const uint8_t *bytes, size_t size, size_t *ret_size) {
	z_stream stream = {0};

	check(deflateInit2(&stream, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	size_t room = deflateBound(&stream, size);
	uint8_t *packed = malloc(room);
	check(packed);
	stream.next_in = (Bytef *) bytes;
	stream.avail_in = (unsigned) size;
	stream.next_out = packed;
	stream.avail_out = (unsigned) room;
	check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	*ret_size = stream.total_out;
	check(deflateEnd(&stream) == Z_OK);
	return packed;
}

/* Into every block that calls itself a header. */
static void correct_sums(uint8_t *bytes, size_t size) {
	for (; size >= 512; bytes += 512, size -= 512) {
		char text[8];
		unsigned sum = 0;

		if (memcmp(bytes + 257, "ustar", 5) != 0)
			continue;
		memset(bytes + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += bytes[i];
		(void) snprintf(text, sizeof(text), "%06o", sum);
		memcpy(bytes + 148, text, 7);
	}
}

static int memory_file(const uint8_t *bytes, size_t size) {
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	check(fd >= 0 && memory_file_write(fd, bytes, size) == 0);
	return fd;
}

static void check_fault(const struct fault *fault) {
	check(fault->refusal == REFUSAL_CRATE_INVALID);
	check(fault->text && strlen(fault->text) > 0 && strlen(fault->text) < 512);
	for (const char *c = fault->text; *c; c++)
		check(*c >= ' ' && *c <= '~');
}

static void check_listing(const struct listing *listing) {
	uint64_t n_bytes = 0;

	check(listing->top && !strchr(listing->top, '/') && listing->n > 0);
	check(listing_has_file(listing, MANIFEST_NAME));
	for (size_t i = 0; i < listing->n; i++) {
		const struct listing_entry *entry = &listing->entries[i];

		check(*entry->name != '\0' && *entry->name != '/');
		check(!strstr(entry->name, "//") && !strstr(entry->name, "/../"));
		check(strncmp(entry->name, "../", 3) != 0);
		check(i == 0 || listing_compare_names(entry[-1].name, entry->name) < 0);
		check(listing_find(listing, entry->name) == entry);
		n_bytes += entry->size;
	}
	check(n_bytes == listing->n_bytes);
}

/* A second reader, with sums, and one that takes a single file, see the same. */
static void check_again(const struct crate *crate) {
	_cleanup_(crate_done) struct crate again = {0};
	_cleanup_(fault_done) struct fault fault = {0};
	_cleanup_(freep) char *manifest = NULL;
	size_t size;

	check(crate_read(&crate->file, true, &again, &fault) == 0);
	check(again.listing.n == crate->listing.n);
	for (size_t i = 0; i < again.listing.n; i++)
		check(strcmp(again.listing.entries[i].name, crate->listing.entries[i].name) == 0);
	check(crate_read_file(crate, MANIFEST_NAME, SIZE_MAX_READ, &manifest, &size, &fault) == 0);
	check(size == crate->manifest_size && memcmp(manifest, crate->manifest, size) == 0);
}

static void read_crate(const uint8_t *bytes, size_t size) {
	_cleanup_(fd_closep) int fd = memory_file(bytes, size);
	_cleanup_(crate_done) struct crate crate = {0};
	_cleanup_(fault_done) struct fault fault = {0};
	const struct sealed_file file = {.fd = fd, .size = size};

	int r = crate_read(&file, false, &crate, &fault);
	if (r < 0) {
		check(r == -EBADMSG);
		check_fault(&fault);
		return;
	}
	check(fault.refusal == REFUSAL_NONE);
	check_listing(&crate.listing);
	check_again(&crate);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(freep) uint8_t *packed = NULL;
	size_t packed_size;

	if (size == 0)
		return 0;
	if (*bytes == 'g') {
		read_crate(bytes + 1, size - 1);
		return 0;
	}
	_cleanup_(freep) uint8_t *copy = malloc(size);
	check(copy);
	memcpy(copy, bytes + 1, size - 1);
	correct_sums(copy, size - 1);
	packed = pack(copy, size - 1, &packed_size);
	read_crate(packed, packed_size);
	return 0;
}
