#pragma once

/* A crate's owners, as an API lists them. */

struct fields;
struct json;
struct secret;

/*
 * Puts a find for each owner of the list, up to FOUND_MAX, with cleaned texts; those
 * that repeat the token are left out, as is who has no login, or one that is too long.
 * FIELD_TOTAL is how many the list has, and FIELD_WARNINGS says how many of them are
 * left out. 0 or a negative errno.
 */
int owners_put(const struct json *document, const struct secret *token, struct fields *answer);
