#pragma once

/* The part of request_read.c that is about accounts that sign. */

struct json;
struct request;

/*
 * A login: with a key instead of a token, and what its tokens claim. 0, REFUSAL_BAD_NAME, or a
 * negative errno: -EBADMSG for what is of another type or belongs to a key and there is none.
 */
int request_take_signing(const struct json *root, struct request *request);
/*
 * The challenge that a registry gave in a 401, as cargo passes on its headers, in an array:
 * "www-authenticate: Cargo …". Who wrote them nobody knows: they never release a token, and
 * one that claims it is good for no more than without. 0 or a negative errno.
 */
int request_take_challenge(const struct json *headers, struct request *request);
/* `key`: what is to be done, and to what. 0, REFUSAL_BAD_NAME, or a negative errno. */
int request_take_key(const struct json *root, struct request *request);
