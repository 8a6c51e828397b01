#pragma once

/*
 * The accounts in an image: one sealed record each, found by the tags that
 * stand in front of the ciphertext, opened one at a time.
 */

#include <stdbool.h>
#include <stddef.h>

struct account;
struct image;
struct seal;

/* An image with the seal's header and no record. Caller frees *ret. 0 or -ENOMEM. */
int ledger_new(const struct seal *seal, struct image **ret);

/* Need no open seal. */
bool ledger_has_url(const struct image *image, const struct seal *seal, const char *url);
size_t ledger_n_accounts(const struct image *image);

/* Need an open one. 0 and *ret (caller frees), -ENOENT, -ENOKEY, -EBADMSG, -ENOMEM. */
int ledger_find(const struct image *image, const struct seal *seal, const char *url,
	const char *name, bool with_token, struct account **ret);
/* The account at `index`, below ledger_n_accounts, without its token. Needs the image's index. */
int ledger_at(const struct image *image, const struct seal *seal, size_t index,
	struct account **ret);

/* Change the image; the manifest is the caller's to renew. */
int ledger_put(struct image *image, const struct seal *seal, const struct account *account);
/* With an account goes its credential for reads alone; all of that URL for `name` NULL. */
int ledger_erase(
	struct image *image, const struct seal *seal, const char *url, const char *name);

/*
 * All records, also of types unknown to us, opened by `old` and sealed anew by
 * `seal`, one at a time; without a manifest. 0 and *ret (caller frees), -ENOKEY,
 * -EBADMSG (one does not open), -ENOTSUP (one is found by other fields than we
 * know), -ENOMEM.
 */
int ledger_reseal(const struct image *image, const struct seal *old, const struct seal *seal,
	struct image **ret);
