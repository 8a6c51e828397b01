#pragma once

/* What registries require of a crate, beyond that it is one; and what they recommend. */

#include <stdint.h>

struct dependencies;
struct fault;
struct lines;
struct manifest;
struct package;

/* `publish` in the manifest, which may forbid it. 0, or a negative errno. */
int rule_check_publish(const struct manifest *manifest, const char *index_url, struct fault *fault);

/* All that crates.io refuses, except what only it can know. 0, or a negative errno. */
int rule_check_crates_io(const struct manifest *manifest, const struct package *package,
	const struct dependencies *dependencies, struct lines *warnings, struct fault *fault);
/* The same for the metadata's size. */
int rule_check_metadata_size(uint64_t size, struct fault *fault);

/* What cargo's guide to publishing recommends, and this crate lacks. 0 or -ENOMEM. */
int rule_warn(const struct package *package, struct lines *warnings);
