#pragma once

/*
 * The Secret Service (freedesktop.org Secret Service API 0.2) by libsecret, in
 * our words: connect, find items, read, store, delete. Blocking; whoever started
 * this process ends it at its deadline.
 *
 * Errors are the same everywhere: -ENOKEY (the keyring is locked), -ENXIO (no
 * bus, no service on it, or no default collection), -ETIMEDOUT (no answer),
 * -ECANCELED (a person or the service said no), -ENOENT (the item is gone),
 * -ENOMEM, -EBUSY (somebody else has the lock), -EIO (anything else).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct secret;
struct service;
struct service_items;

struct service_attribute {
	const char *name;
	const char *value;
};

/*
 * Connects to the service on the session's bus and looks at its default
 * collection. One that is locked is unlocked where `may_prompt` allows the
 * service to ask the person, else -ENOKEY. 0 and *ret (caller frees).
 */
int service_open(bool may_prompt, struct service **ret);
struct service *service_free(struct service *service);
DEFINE_CLEANUP(struct service, service_free)

/*
 * One at a time of all programs on this bus that ask for it; held until the
 * process ends. Waits up to 2 s. -EBUSY.
 */
int service_lock(struct service *service);

/*
 * All items of that schema with these attributes, in any collection, with
 * their secrets where `with_secrets` and they are not locked. 0 and *ret
 * (caller frees), which may be empty.
 */
int service_find(struct service *service, const char *schema,
	const struct service_attribute *attributes, size_t n_attributes, bool with_secrets,
	struct service_items **ret);
struct service_items *service_items_free(struct service_items *items);
DEFINE_CLEANUP(struct service_items, service_items_free)

size_t service_items_n(const struct service_items *items);
bool service_items_is_locked(const struct service_items *items, size_t i);
/* Borrowed; NULL if it has no such attribute. */
const char *service_items_attribute(
	const struct service_items *items, size_t i, const char *name);
/*
 * The secret as it is (caller frees): 0, -ENOKEY, -ENOENT (none, or empty), -E2BIG, -ENOMEM.
 */
int service_items_secret(
	const struct service_items *items, size_t i, size_t max, struct secret **ret);
/* What service_store stored (caller frees, and wipes if need be); also -EBADMSG. */
int service_items_bytes(
	const struct service_items *items, size_t i, uint8_t **ret, size_t *ret_size);
/* 0, also if it was gone already. */
int service_items_delete(const struct service_items *items, size_t i);

/* Puts bytes, as Base64, in place of what the item holds. */
int service_items_replace(
	const struct service_items *items, size_t i, const void *bytes, size_t size);

/*
 * Stores bytes, as Base64, in a new item of the default collection. That there
 * is none with these attributes is the caller's to know: KeePassXC asks the
 * person about each that would be overwritten.
 */
int service_store(struct service *service, const char *schema,
	const struct service_attribute *attributes, size_t n_attributes, const char *label,
	const void *bytes, size_t size);
