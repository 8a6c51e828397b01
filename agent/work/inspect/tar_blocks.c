/* Of the form: POSIX.1-1988 ustar, POSIX.1-2001 pax, and GNU tar's manual, "Basic Tar Format". */

#include "tar_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/inspect/fault.h"

/* Where the fields of a header are. */
enum {
	AT_SIZE = 124,
	SIZE_DIGITS = 12,
	AT_SUM = 148,
	SUM_DIGITS = 8,
	AT_TYPE = 156,
	AT_MAGIC = 257,
};

/* What a pax header may say: nothing of it but the path and the size changes what is read. */
static const char *const pax_keys[] = {
	"path", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"};

/* Octal digits, up to the field's end or to blanks and NULs that fill it. */
static bool read_octal(const unsigned char *field, size_t size, uint64_t *ret) {
	uint64_t value = 0;
	size_t at = 0;

	while (at < size && field[at] == ' ')
		at++;
	size_t first = at;
	for (; at < size && field[at] >= '0' && field[at] <= '7'; at++)
		value = value * 8 + (uint64_t) (field[at] - '0');
	bool has_digits = at > first;
	while (at < size && (field[at] == ' ' || field[at] == '\0'))
		at++;
	*ret = value;
	return has_digits && at == size;
}

static bool sum_is_right(const unsigned char *block) {
	uint64_t said, sum = 0;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += i >= AT_SUM && i < AT_SUM + SUM_DIGITS ? ' ' : block[i];
	return read_octal(block + AT_SUM, SUM_DIGITS, &said) && said == sum;
}

static bool magic_is_known(const unsigned char *block) {
	return memcmp(block + AT_MAGIC,
		       "ustar\0"
		       "00",
		       8) == 0 ||
	       memcmp(block + AT_MAGIC, "ustar  \0", 8) == 0;
}

static bool is_zero(const unsigned char *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* The length of a record that stands at its own start ("30 mtime=…\n"), or 0. */
static size_t pax_record_size(const char *at, size_t left) {
	size_t size = 0, n = 0;

	while (n < left && n < 6 && at[n] >= '0' && at[n] <= '9')
		size = size * 10 + (size_t) (at[n++] - '0');
	if (n == 0 || at[0] == '0' || n == left || at[n] != ' ' || size > left || size < n + 4)
		return 0;
	return at[size - 1] == '\n' ? size : 0;
}

static bool pax_key_is_plain(const char *key, size_t size) {
	for (size_t i = 0; i < sizeof(pax_keys) / sizeof(pax_keys[0]); i++) {
		if (strlen(pax_keys[i]) == size && memcmp(pax_keys[i], key, size) == 0)
			return true;
	}
	return false;
}

static bool pax_read_size(const char *value, size_t size, uint64_t *ret) {
	uint64_t number = 0;

	if (size == 0 || size > 15)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		number = number * 10 + (uint64_t) (value[i] - '0');
	}
	*ret = number;
	return true;
}

static int tar_blocks_take_record(
	struct tar_blocks *blocks, const char *record, size_t size, struct fault *fault) {
	const char *key = (const char *) memchr(record, ' ', size) + 1;
	const char *end = record + size - 1;
	const char *equals = memchr(key, '=', (size_t) (end - key));

	if (!equals || memchr(record, '\0', size))
		return fault_invalid(fault, "it has a damaged pax header");
	if (!pax_key_is_plain(key, (size_t) (equals - key)))
		return fault_invalid(fault, "it has a pax header that no crate needs: '%.*s'",
			(int) (equals - key < 40 ? equals - key : 40), key);
	if (equals - key != 4 || memcmp(key, "size", 4) != 0)
		return 0;
	if (blocks->has_extra_size ||
		!pax_read_size(equals + 1, (size_t) (end - equals - 1), &blocks->extra_size))
		return fault_invalid(fault, "it has a damaged pax header");
	blocks->has_extra_size = true;
	return 0;
}

static int tar_blocks_take_pax(struct tar_blocks *blocks, struct fault *fault) {
	for (size_t at = 0; at < blocks->n_extra;) {
		size_t size = pax_record_size(blocks->extra + at, blocks->n_extra - at);
		if (size == 0)
			return fault_invalid(fault, "it has a damaged pax header");
		int r = tar_blocks_take_record(blocks, blocks->extra + at, size, fault);
		if (r < 0)
			return r;
		at += size;
	}
	return 0;
}

/* A body that belongs to the next entry is here whole. */
static int tar_blocks_take_extra(struct tar_blocks *blocks, struct fault *fault) {
	char type = blocks->extra_type;

	blocks->extra_type = 0;
	blocks->has_extra = true;
	if (type == 'x')
		return tar_blocks_take_pax(blocks, fault);
	/* A name with one NUL, at its end. */
	size_t length = strnlen(blocks->extra, blocks->n_extra);
	if (length == 0 || length + 1 != blocks->n_extra)
		return fault_invalid(fault, "it has a damaged long name");
	return 0;
}

static int tar_blocks_begin_extra(
	struct tar_blocks *blocks, char type, uint64_t size, struct fault *fault) {
	if (blocks->has_extra)
		return fault_invalid(fault, "it has two headers for one entry");
	if (size == 0 || size > TAR_EXTRA_MAX)
		return fault_invalid(fault, "it has a header of an odd length");
	blocks->extra_type = type;
	blocks->extra_length = (size_t) size;
	blocks->n_extra = 0;
	return 0;
}

static int tar_blocks_begin_entry(
	struct tar_blocks *blocks, char type, uint64_t size, struct fault *fault) {
	bool is_folder = type == '5';

	if (type != '0' && type != '\0' && !is_folder)
		return fault_invalid(
			fault, "it has an entry that is neither file nor folder: type '%c'", type);
	if (is_folder && size != 0)
		return fault_invalid(fault, "it has a folder with a content");
	if (blocks->has_extra_size && blocks->extra_size != size)
		return fault_invalid(fault, "it has a pax header with another size than its entry");
	blocks->has_extra = false;
	blocks->has_extra_size = false;
	blocks->n_files += !is_folder;
	blocks->n_folders += is_folder;
	blocks->n_bytes += size;
	return 0;
}

static int tar_blocks_take_header(struct tar_blocks *blocks, struct fault *fault) {
	const unsigned char *block = blocks->block;
	char type = (char) block[AT_TYPE];
	uint64_t size;

	if (is_zero(block, TAR_BLOCK_SIZE)) {
		blocks->n_zero_blocks++;
		return blocks->has_extra ? fault_invalid(fault, "it has a header without an entry")
					 : 0;
	}
	if (blocks->n_zero_blocks > 0)
		return fault_invalid(fault, "there is more behind the end of its archive");
	if (!sum_is_right(block) || !magic_is_known(block))
		return fault_invalid(fault, "it is no tar archive, or a damaged one");
	if (!read_octal(block + AT_SIZE, SIZE_DIGITS, &size))
		return fault_invalid(fault, "it has an entry of an odd size");
	int r = type == 'x' || type == 'L' ? tar_blocks_begin_extra(blocks, type, size, fault)
					   : tar_blocks_begin_entry(blocks, type, size, fault);
	if (r < 0)
		return r;
	/* Twelve octal digits and a block fit. */
	blocks->body = (size + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;
	return 0;
}

/* Up to `size` bytes of a body. Returns how many, or a negative errno. */
static ssize_t tar_blocks_take_body(
	struct tar_blocks *blocks, const unsigned char *bytes, size_t size, struct fault *fault) {
	size_t n = size < blocks->body ? size : (size_t) blocks->body;

	if (blocks->extra_type) {
		size_t wanted = blocks->extra_length - blocks->n_extra;
		size_t copied = n < wanted ? n : wanted;
		memcpy(blocks->extra + blocks->n_extra, bytes, copied);
		blocks->n_extra += copied;
	}
	blocks->body -= n;
	if (blocks->body == 0 && blocks->extra_type) {
		int r = tar_blocks_take_extra(blocks, fault);
		if (r < 0)
			return r;
	}
	return (ssize_t) n;
}

/* Up to `size` bytes of a header. Returns how many, or a negative errno. */
static ssize_t tar_blocks_take_block(
	struct tar_blocks *blocks, const unsigned char *bytes, size_t size, struct fault *fault) {
	size_t wanted = TAR_BLOCK_SIZE - blocks->n_block;
	size_t n = size < wanted ? size : wanted;

	memcpy(blocks->block + blocks->n_block, bytes, n);
	blocks->n_block += n;
	if (blocks->n_block == TAR_BLOCK_SIZE) {
		blocks->n_block = 0;
		int r = tar_blocks_take_header(blocks, fault);
		if (r < 0)
			return r;
	}
	return (ssize_t) n;
}

int tar_blocks_take(
	struct tar_blocks *blocks, const void *bytes, size_t size, struct fault *fault) {
	const unsigned char *at = bytes;

	while (size > 0) {
		ssize_t n = blocks->body > 0 ? tar_blocks_take_body(blocks, at, size, fault)
					     : tar_blocks_take_block(blocks, at, size, fault);
		if (n < 0)
			return (int) n;
		at += n;
		size -= (size_t) n;
	}
	return 0;
}

int tar_blocks_finish(const struct tar_blocks *blocks, struct fault *fault) {
	if (blocks->n_block > 0 || blocks->body > 0 || blocks->n_zero_blocks < 2)
		return fault_invalid(fault, "its archive is cut short");
	return 0;
}
