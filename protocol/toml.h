#pragma once

/*
 * TOML, read through a small C++ shim over toml++ (Debian has no C parser that
 * is still kept). No exception leaves it, and what it hands out is plain
 * malloc memory. A library of its own: only programs that may parse TOML link it.
 *
 * A path names a value: keys with dots between them, and numbers for elements of
 * arrays ("include.0.path"). NULL or "" is the whole document. A key that holds a dot
 * stands in quotes of either kind (`a."b.c".d`); one that holds both cannot be named.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

/* Longest text that is parsed, in bytes. */
#define TOML_MAX ((size_t) 256 * 1024)

#ifdef __cplusplus
extern "C" {
#endif

/* Not `struct toml`: that name is toml++'s namespace. */
struct toml_document;

/*
 * Parses `size` bytes of text. Returns 0 and the document in *ret (free with
 * toml_free), -E2BIG over TOML_MAX, -ENOMEM, or -EBADMSG: then *ret_error is a
 * text such as "line 3: …" that the caller frees, and may quote the input.
 */
int toml_parse(const char *text, size_t size, struct toml_document **ret, char **ret_error);
/* The same for a text of whatever size: its limit is the caller's. */
int toml_parse_large(const char *text, size_t size, struct toml_document **ret, char **ret_error);
struct toml_document *toml_free(struct toml_document *document);

/*
 * Readers: 0 and *ret written, -ENOENT if nothing is there, -EBADMSG for
 * another type (for strings also one with a NUL inside), -ENOMEM.
 */
int toml_get_string(const struct toml_document *document, const char *path, char **ret);
int toml_get_bool(const struct toml_document *document, const char *path, bool *ret);

/* An array of strings only, as a NULL-terminated list; free with toml_strings_free. */
int toml_get_strings(const struct toml_document *document, const char *path, char ***ret);

/* The keys of a table, sorted, as such a list. */
int toml_get_keys(const struct toml_document *document, const char *path, char ***ret);

/* How many elements an array has: 0, -ENOENT or -EBADMSG. */
int toml_get_size(const struct toml_document *document, const char *path, size_t *ret);

/* Whether there is a NUL in any key or string: no key with one can be asked for. */
bool toml_has_nul(const struct toml_document *document);

/* The line on which a value stands, from 1; 0 if nothing is there. */
unsigned toml_line(const struct toml_document *document, const char *path);

char **toml_strings_free(char **strings);

#ifdef __cplusplus
}
#endif

DEFINE_CLEANUP(struct toml_document, toml_free)
DEFINE_CLEANUP(char *, toml_strings_free)
