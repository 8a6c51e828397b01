#pragma once

/* The `Cargo.toml` in a crate file, as cargo has written it there for publishing. */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

struct fault;
struct manifest;
struct toml_document;

/* Parses it. 0 and *ret (free with manifest_free), or a negative errno, -EBADMSG with a fault. */
int manifest_new(const char *text, size_t size, struct manifest **ret, struct fault *fault);
struct manifest *manifest_free(struct manifest *manifest);
DEFINE_CLEANUP(struct manifest, manifest_free)

/* A path of protocol/toml.h, and a key below it that is quoted as needed: caller frees. */
int manifest_path(const char *path, const char *key, char **ret, struct fault *fault);

/* Readers. What is absent is NULL, false is `otherwise`, a list is empty; another type is a fault.
 */
int manifest_get_string(
	const struct manifest *manifest, const char *path, char **ret, struct fault *fault);
int manifest_get_bool(const struct manifest *manifest, const char *path, bool otherwise, bool *ret,
	struct fault *fault);
/* Free these with toml_strings_free. */
int manifest_get_strings(
	const struct manifest *manifest, const char *path, char ***ret, struct fault *fault);
int manifest_get_keys(
	const struct manifest *manifest, const char *path, char ***ret, struct fault *fault);

bool manifest_has(const struct manifest *manifest, const char *path);
/* Whether what is there is a table, a list or a truth value. */
bool manifest_has_table(const struct manifest *manifest, const char *path);
bool manifest_has_list(const struct manifest *manifest, const char *path);
bool manifest_has_bool(const struct manifest *manifest, const char *path);
