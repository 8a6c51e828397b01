#pragma once

/* Which files differ between two crates. */

struct fault;
struct lines;
struct sealed_file;

/*
 * Reads both and adds a line for each file that only one has, or whose
 * content differs. 0, or a negative errno, -EBADMSG with a fault.
 */
int compare_crates(const struct sealed_file *before, const struct sealed_file *after,
	struct lines *different, struct fault *fault);
