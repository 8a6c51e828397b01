#pragma once

/*
 * What a medium holds, all of it ciphertext or public: one header and any
 * number of records, each with an id. The store gives it meaning; media only
 * keep it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

#define IMAGE_ID_SIZE 16
/* Bounds on what is read back, so that a forged file cannot make us allocate more. */
#define IMAGE_SIZE_MAX ((size_t) 64 * 1024 * 1024)
#define IMAGE_RECORDS_MAX 100000
#define IMAGE_RECORD_SIZE_MAX (256 * 1024)

struct image_record {
	uint8_t id[IMAGE_ID_SIZE];
	uint8_t *bytes;
	size_t size;
};

struct index;

struct image {
	uint8_t *header;
	size_t header_size;
	struct image_record *records;
	size_t n_records;
	/* NULL until it is asked for, and again after each change. */
	struct index *index;
};

int image_new(struct image **ret);
struct image *image_free(struct image *image);
DEFINE_CLEANUP(struct image, image_free)

/* Makes the index: of an image that is to be searched much and changed no more. 0 or -ENOMEM. */
int image_index(struct image *image);

/* A copy of all but the index. 0 or -ENOMEM. */
int image_copy(const struct image *image, struct image **ret);

bool image_has_header_of(const struct image *image, const struct image *other);
/* The same header and records, in whatever order. */
bool image_equals(const struct image *a, const struct image *b);

int image_set_header(struct image *image, const void *bytes, size_t size);
/* Replaces the record of that id, or adds one. 0, -E2BIG or -ENOMEM. */
int image_put(struct image *image, const uint8_t *id, const void *bytes, size_t size);
/* 0 or -ENOENT. */
int image_erase(struct image *image, const uint8_t *id);
/* NULL if absent. */
const struct image_record *image_find(const struct image *image, const uint8_t *id);

/*
 * The form in a file: magic line, format, header, records, and at the end an
 * unkeyed BLAKE2b-256 of all before, which tells damage from a wrong
 * passphrase. Caller frees *ret.
 */
int image_encode(const struct image *image, uint8_t **ret, size_t *ret_size);
/* 0, -EBADMSG (damaged), -ENOTSUP (a newer format), -ENOMEM. */
int image_decode(const uint8_t *bytes, size_t size, struct image **ret);
