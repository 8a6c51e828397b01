#pragma once

/*
 * What `cargo metadata` tells has tables of the manifest in it that are for other
 * programs: numbers of any size, any depth, any text. Our reader of JSON takes
 * what every parser agrees on, and nothing of that is needed here.
 */

#include <stddef.h>

/* Overwrites all but the members that are read here with a number. What is no JSON stays none. */
void cargo_metadata_thin(char *text, size_t size);
