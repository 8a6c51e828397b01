#pragma once

/*
 * The store's image as items of a keyring. One item is the root: the image's
 * header and manifest, and for each other record its id and hash. One item a
 * record holds that record, and has id and hash as attributes. A save adds the new records, puts
 * the new root in place of the old one, and then removes the records that no
 * root names: whoever is killed in between leaves the old image or the new one.
 * All of it is what the store has sealed, so that it tells a reader nothing.
 *
 * Beside them may lie one more item, the key of a store without a passphrase.
 *
 * Errors are service.h's, and: -EBADMSG (an item is missing, changed or there
 * twice), -ENOTSUP (a newer format), -EEXIST and -ESTALE as in medium.h, -E2BIG.
 */

#include <stddef.h>

struct fields;
struct service;

/* -ENOENT if there is no image. */
int store_items_load(
	struct service *service, const struct fields *task, int file, struct fields *answer);
int store_items_save(
	struct service *service, const struct fields *task, int file, struct fields *answer);
int store_items_erase(struct service *service, const struct fields *task);
/* -ENOENT if there is none. */
int store_items_load_key(struct service *service, struct fields *answer);
