#pragma once

/* An index's config.json. */

#include <stddef.h>

#include "protocol/refusal.h"

struct fields;

/*
 * Puts FIELD_API, FIELD_DL (if there is one) and FIELD_AUTH_REQUIRED, or returns
 * why not, with a text of our own in *ret_detail.
 */
enum refusal config_read(const char *text, size_t size, struct fields *answer, char **ret_detail);
