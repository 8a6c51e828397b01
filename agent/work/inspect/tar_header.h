#pragma once

/*
 * One header of a tar archive, in the one form that all readers take alike. Of the two
 * that cargo and GNU tar have written, GNU and ustar, each field may hold only what these
 * put there: a sparse map, a second size or bytes behind a text are what one reader
 * goes by and the next one skips.
 */

#include <stdbool.h>
#include <stdint.h>

struct fault;

#define TAR_BLOCK_SIZE 512
#define TAR_LONG_NAME 'L'

/* What ustar has of a name: its prefix, a slash, and the name. */
#define TAR_SHORT_NAME_SIZE (155 + 1 + 100)
/* What every header has of it. */
#define TAR_NAME_SIZE 100

struct tar_header {
	bool is_gnu;
	bool is_long_name; /* its body is the name of the next entry */
	bool is_folder;
	uint64_t size;
	char name[TAR_SHORT_NAME_SIZE + 1];
};

/* 0 and *ret, or -EBADMSG with a fault, or -ENOMEM. */
int tar_header_read(
	const unsigned char block[TAR_BLOCK_SIZE], struct tar_header *ret, struct fault *fault);
