#pragma once

/* A private key in the clear, in a file of cargo's: what its owner does about it. */

struct toml_document;

/*
 * A sentence for people with the two logins for that registry: a new key, which is better, or this
 * one, with the `secret-key-subject` that stands beside it. `key` is the path of the key in the
 * document, as `registries.corp.secret-key`; no document, no subject. 0 and *ret (caller frees),
 * or -ENOMEM.
 */
int key_found_advise(
	const struct toml_document *document, const char *key, const char *registry, char **ret);
