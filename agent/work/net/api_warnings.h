#pragma once

/* What a registry warns of when it takes a crate. */

struct json;
struct secret;

/*
 * A line for each warning, in cargo's words, cleaned; those that repeat the token
 * are left out. NULL if there is none, or no memory. Caller frees.
 */
char *api_warnings_read(const struct json *document, const struct secret *token);
