#pragma once

/*
 * The items of cargo's own provider, cargo:libsecret (cargo-credential-libsecret,
 * lib.rs): one for each registry, found by cargo's URL of its index, the token
 * as the secret.
 *
 * Errors are service.h's, but for -ENOENT: there is no such item. And -ENOTUNIQ
 * (several for one URL, of which nobody can say which one counts), -EINVAL (what
 * it holds is no token: *ret_detail says why), -ESTALE (it is another token).
 */

struct fields;
struct service;

/* FIELD_FOUND and the tags after it, one for each URL; no secret is read. */
int cargo_items_list(struct service *service, struct fields *answer);
/* The token under FIELD_CARGO_URL, as FIELD_SECRET. */
int cargo_items_take(struct service *service, const struct fields *task, struct fields *answer,
	char **ret_detail);
/* Removes it if it is FIELD_TOKEN still. 0, also if it was gone already. */
int cargo_items_wipe(struct service *service, const struct fields *task);
