#pragma once

/* The root of a store in a keyring (store.h), and the parts that it has there. */

#include <stddef.h>
#include <stdint.h>

#include "agent/store/cipher.h"
#include "agent/store/image.h"
#include "service.h"

struct fields;

#define STORE_SCHEMA "org.cpub_agent.Store"

/* The attribute by which each part is found. */
extern const struct service_attribute part_root, part_record, part_key;

/* The one that lies there. */
struct root {
	struct service_items *items;
	struct image *outline; /* what image_decode made of it; NULL if it cannot be read */
	int error;	       /* why */
	uint8_t digest[CIPHER_HASH_SIZE];
};

/* 0, also for one that cannot be read; -ENOENT, or what the service says. */
int root_read(struct service *service, struct root *ret);
void root_done(struct root *root);

/*
 * Is it the one that the task knows; or, if it knows none, is there none? 0,
 * -ESTALE, -EEXIST, or what the service says.
 */
int root_check(struct service *service, const struct fields *task);

/* Puts one in its place, and tells its digest. Hold the lock. */
int root_write(struct service *service, const struct image *outline,
	uint8_t ret_digest[CIPHER_HASH_SIZE]);

/* Puts bytes into the one item of that part, which may not be there yet. -EBADMSG: there are more. */
int part_write(struct service *service, const struct service_attribute *part, const char *label,
	const void *bytes, size_t size);
