#pragma once

/*
 * The shape of crates.io's tokens: what does not have it is a mistake (a token
 * of another service, a lost character) and is sent nowhere. No I/O.
 */

struct secret;

/*
 * NULL if this can be a token of crates.io; else what is wrong with it, a static
 * text that holds nothing of it. A scheme in front ("Bearer ") is no part of the token.
 */
const char *shape_of_crates_io(const struct secret *token);
