#pragma once

/* What a registry is told of a crate beside its file: the JSON text that cargo would send. */

#include <stdint.h>

struct crate;
struct dependencies;
struct fault;
struct manifest;
struct package;

/*
 * Writes it into the empty file in memory, byte for byte as cargo's serde_json would, and
 * seals that. 0 and its size, or a negative errno, -EBADMSG with a fault.
 */
int metadata_write(const struct manifest *manifest, const struct package *package,
	const struct dependencies *dependencies, const struct crate *crate, int fd,
	uint64_t *ret_size, struct fault *fault);
