#include "tar_blocks.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "agent/work/inspect/fault.h"
#include "agent/work/sha256.h"

/* A shortened name may lose a character that is cut in two. */
#define CUT_NAME_MIN (TAR_NAME_SIZE - 3)

static bool is_zero(const unsigned char *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* With one NUL, at its end; and not for a name that had room in a header. */
static int tar_blocks_check_long_name(const struct tar_blocks *blocks, struct fault *fault) {
	size_t size = strnlen(blocks->long_name, blocks->n_long_name);

	if (size < TAR_NAME_SIZE || size + 1 != blocks->n_long_name)
		return fault_invalid(fault, "it has a damaged long name");
	return 0;
}

static int tar_blocks_begin_long_name(
	struct tar_blocks *blocks, const struct tar_header *header, struct fault *fault) {
	if (blocks->has_long_name)
		return fault_invalid(fault, "it has two headers for one entry");
	if (header->size == 0 || header->size > TAR_LONG_NAME_MAX)
		return fault_invalid(fault, "it has a long name of an odd length");
	blocks->in_long_name = true;
	blocks->has_long_name = true;
	blocks->n_long_name = 0;
	return 0;
}

/* For readers that know no long names, its header has the same name, shortened. */
static bool name_is_shortened(const char *cut, const char *name) {
	size_t size = strlen(cut);

	return size >= CUT_NAME_MIN && size <= TAR_NAME_SIZE && strncmp(cut, name, size) == 0;
}

static int tar_blocks_begin_entry(
	struct tar_blocks *blocks, const struct tar_header *header, struct fault *fault) {
	const char *name = header->name;

	if (blocks->has_long_name) {
		if (!header->is_gnu || !name_is_shortened(name, blocks->long_name))
			return fault_invalid(fault, "it has an entry with two names");
		name = blocks->long_name;
	}
	tar_blocks_add(blocks->entries, header->is_folder, header->size, name);
	blocks->has_long_name = false;
	return 0;
}

static int tar_blocks_take_zeros(struct tar_blocks *blocks, struct fault *fault) {
	blocks->n_zero_blocks++;
	return blocks->has_long_name ? fault_invalid(fault, "it has a header without an entry") : 0;
}

static int tar_blocks_take_header(struct tar_blocks *blocks, struct fault *fault) {
	struct tar_header header;

	if (is_zero(blocks->block, TAR_BLOCK_SIZE))
		return tar_blocks_take_zeros(blocks, fault);
	if (blocks->n_zero_blocks > 0)
		return fault_invalid(fault, "there is more behind the end of its archive");
	int r = tar_header_read(blocks->block, &header, fault);
	if (r == 0)
		r = header.is_long_name ? tar_blocks_begin_long_name(blocks, &header, fault)
					: tar_blocks_begin_entry(blocks, &header, fault);
	if (r < 0)
		return r;
	blocks->content = header.size;
	blocks->padding = (size_t) (-header.size % TAR_BLOCK_SIZE);
	return 0;
}

/* Up to `size` bytes of a content. Returns how many, or a negative errno. */
static ssize_t tar_blocks_take_content(
	struct tar_blocks *blocks, const unsigned char *bytes, size_t size, struct fault *fault) {
	size_t n = size < blocks->content ? size : (size_t) blocks->content;

	blocks->content -= n;
	if (!blocks->in_long_name)
		return (ssize_t) n;
	memcpy(blocks->long_name + blocks->n_long_name, bytes, n);
	blocks->n_long_name += n;
	if (blocks->content == 0) {
		blocks->in_long_name = false;
		int r = tar_blocks_check_long_name(blocks, fault);
		if (r < 0)
			return r;
	}
	return (ssize_t) n;
}

/* The same of what fills its last block. */
static ssize_t tar_blocks_take_padding(
	struct tar_blocks *blocks, const unsigned char *bytes, size_t size, struct fault *fault) {
	size_t n = size < blocks->padding ? size : blocks->padding;

	if (!is_zero(bytes, n))
		return fault_invalid(fault, "it has something between two entries");
	blocks->padding -= n;
	return (ssize_t) n;
}

/* The same of a header. */
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
		ssize_t n = blocks->content > 0	  ? tar_blocks_take_content(blocks, at, size, fault)
			    : blocks->padding > 0 ? tar_blocks_take_padding(blocks, at, size, fault)
						  : tar_blocks_take_block(blocks, at, size, fault);
		if (n < 0)
			return (int) n;
		at += n;
		size -= (size_t) n;
	}
	return 0;
}

int tar_blocks_finish(const struct tar_blocks *blocks, struct fault *fault) {
	if (blocks->n_block > 0 || blocks->content > 0 || blocks->padding > 0 ||
		blocks->n_zero_blocks < 2)
		return fault_invalid(fault, "its archive is cut short");
	return 0;
}

void tar_blocks_add(struct sha256 *entries, bool is_folder, uint64_t size, const char *name) {
	unsigned char kind = is_folder;

	sha256_add(entries, &kind, sizeof(kind));
	sha256_add(entries, &size, sizeof(size));
	sha256_add(entries, name, strlen(name) + 1);
}
