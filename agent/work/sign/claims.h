#pragma once

/*
 * What a signed request claims: the JSON of a token and of its footer, byte for byte as cargo
 * writes them (cargo, src/util/credential/paseto.rs), with the challenge of RFC 3231.
 */

#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/kind.h"
#include "protocol/refusal.h"

struct fields;

struct claims {
	uint64_t issued; /* Unix time */
	enum operation operation;
	/* NULL where it does not belong to the operation. */
	char *crate;
	char *version;
	char *checksum;
	/* NULL if there is none. */
	char *subject;
	char *challenge;
	/* For the footer. */
	char *index_url;
	enum footer_key footer_key;
};

/*
 * Takes them out of a task. A claim that is not well formed is refused and named in *ret_detail,
 * which the caller frees; one that is missing, or is there and does not belong to the
 * operation, is REFUSAL_INTERNAL.
 */
enum refusal claims_read(const struct fields *task, struct claims *ret, char **ret_detail);
void claims_done(struct claims *claims);

/* The token's message, which the caller frees. 0 or a negative errno. */
int claims_message(const struct claims *claims, char **ret);
/* The footer: where the token is good, and the id of the key that signs it. */
int claims_footer(const struct claims *claims, const char *id, char **ret);
