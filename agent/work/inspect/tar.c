/* The only file that sees libarchive, of which only its reader of tar is in use. */

#include "tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/gzip.h"
#include "agent/work/inspect/tar_blocks.h"
#include "agent/work/sha256.h"

struct tar {
	struct gzip *gzip;
	struct tar_blocks blocks;
	struct fault *fault;
	struct archive *archive;
	int error; /* what stopped the bytes; libarchive knows only that something did */

	/* All entries: as the blocks have them, and as libarchive tells them. */
	struct sha256 *watched;
	struct sha256 *told;

	/* Of the entry's content. */
	uint64_t at;
	uint64_t size;
};

/* Unpacks on, and lets the bytes be watched. As gzip_read. */
static int tar_fetch(struct tar *tar, const void **ret, size_t *ret_size) {
	int r = gzip_read(tar->gzip, ret, ret_size, tar->fault);
	if (r <= 0)
		return r;
	int checked = tar_blocks_take(&tar->blocks, *ret, *ret_size, tar->fault);
	return checked < 0 ? checked : r;
}

static la_ssize_t tar_on_read(struct archive *archive, void *userdata, const void **ret) {
	struct tar *tar = userdata;
	size_t size = 0;

	(void) archive;
	int r = tar_fetch(tar, ret, &size);
	if (r < 0) {
		tar->error = r;
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t) size;
}

int tar_new(const struct sealed_file *file, struct fault *fault, struct tar **ret) {
	_cleanup_(tar_freep) struct tar *tar = calloc(1, sizeof(*tar));

	if (!tar)
		return -ENOMEM;
	tar->fault = fault;
	int r = gzip_new(file, &tar->gzip);
	if (r == 0)
		r = sha256_new(&tar->watched);
	if (r == 0)
		r = sha256_new(&tar->told);
	if (r < 0)
		return r;
	tar->blocks.entries = tar->watched;
	tar->archive = archive_read_new();
	if (!tar->archive)
		return -ENOMEM;
	if (archive_read_support_format_tar(tar->archive) != ARCHIVE_OK)
		return -ENOMEM;
	if (archive_read_open(tar->archive, tar, NULL, tar_on_read, NULL) != ARCHIVE_OK) {
		if (tar->error < 0)
			return tar->error;
		return fault_invalid(fault, "it is no tar archive, or a damaged one");
	}
	*ret = TAKE_PTR(tar);
	return 0;
}

struct tar *tar_free(struct tar *tar) {
	if (!tar)
		return NULL;
	if (tar->archive)
		(void) archive_read_free(tar->archive); /* Of what was only read nothing is lost. */
	gzip_free(tar->gzip);
	sha256_free(tar->watched);
	sha256_free(tar->told);
	free(tar);
	return NULL;
}

/* Why libarchive stopped, or would have gone on with a warning. */
static int tar_fail(struct tar *tar) {
	if (tar->error < 0)
		return tar->error;
	if (archive_errno(tar->archive) == ENOMEM)
		return -ENOMEM;
	return fault_invalid(tar->fault, "its archive is damaged");
}

/* libarchive and the blocks have seen the same kinds, sizes and names, in the same order. */
static int tar_check_agreement(struct tar *tar) {
	unsigned char watched[SHA256_SIZE];
	unsigned char told[SHA256_SIZE];

	sha256_take(tar->watched, watched);
	sha256_take(tar->told, told);
	if (memcmp(watched, told, sizeof(told)) != 0)
		return fault_invalid(tar->fault, "its archive can be read in two ways");
	return 0;
}

/* libarchive stops at the end mark. The rest is looked at all the same. */
static int tar_finish(struct tar *tar) {
	const void *bytes;
	size_t size;
	int r;

	do
		r = tar_fetch(tar, &bytes, &size);
	while (r > 0);
	if (r == 0)
		r = tar_blocks_finish(&tar->blocks, tar->fault);
	return r < 0 ? r : tar_check_agreement(tar);
}

/* The kinds that the blocks let through; whatever else libarchive makes of them is a fault. */
static int tar_check_entry(struct tar *tar, struct archive_entry *entry) {
	unsigned type = archive_entry_filetype(entry);

	if ((type != AE_IFREG && type != AE_IFDIR) || archive_entry_hardlink(entry) ||
		archive_entry_symlink(entry) || archive_entry_sparse_count(entry) > 0 ||
		archive_entry_size(entry) < 0)
		return fault_invalid(tar->fault, "it has an entry that is neither file nor folder");
	if (!archive_entry_pathname(entry))
		return fault_invalid(tar->fault, "it has a name that is no UTF-8");
	return 0;
}

int tar_next(struct tar *tar, struct tar_entry *ret) {
	struct archive_entry *entry;

	int r = archive_read_next_header(tar->archive, &entry);
	if (r == ARCHIVE_EOF)
		return tar->error < 0 ? tar->error : tar_finish(tar);
	if (r != ARCHIVE_OK)
		return tar_fail(tar);
	r = tar_check_entry(tar, entry);
	if (r < 0)
		return r;
	ret->name = archive_entry_pathname(entry);
	ret->is_folder = archive_entry_filetype(entry) == AE_IFDIR;
	ret->size = (uint64_t) archive_entry_size(entry);
	tar_blocks_add(tar->told, ret->is_folder, ret->size, ret->name);
	tar->at = 0;
	tar->size = ret->size;
	return 1;
}

int tar_read(struct tar *tar, const void **ret, size_t *ret_size) {
	la_int64_t at;

	int r = archive_read_data_block(tar->archive, ret, ret_size, &at);
	if (r == ARCHIVE_EOF && tar->at == tar->size)
		return 0;
	if (r != ARCHIVE_OK || at < 0 || (uint64_t) at != tar->at)
		return tar_fail(tar);
	tar->at += *ret_size;
	return 1;
}
