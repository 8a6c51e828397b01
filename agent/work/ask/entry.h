#pragma once

/*
 * One line while it is typed: takes byte after byte from a terminal that edits
 * nothing itself. The bytes lie in a struct secret from the first on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct entry;
struct secret;

enum entry_state {
	ENTRY_OPEN,
	ENTRY_FINISHED, /* Enter */
	ENTRY_DENIED,	/* ^C, or ^D on an empty line */
};

/* What the terminal shows for the byte just taken. Nothing at all for a hidden line. */
struct entry_echo {
	size_t n_erased;
	char shown; /* 0 for none */
};

/* A shown line takes printable ASCII only. 0 and *ret (caller frees), or -ENOMEM. */
int entry_new(bool is_shown, struct entry **ret);
struct entry *entry_free(struct entry *entry);
DEFINE_CLEANUP(struct entry, entry_free)

/* Where the next byte is to be read to, so that it never lies elsewhere. */
uint8_t *entry_slot(struct entry *entry);

/* Takes the byte in the slot. */
enum entry_state entry_take(struct entry *entry, struct entry_echo *ret_echo);

/* More than TOKEN_MAX bytes were typed; what was kept is of no use. */
bool entry_is_too_long(const struct entry *entry);

/* Hands the line over: NULL if it is empty. Only after ENTRY_FINISHED. */
struct secret *entry_take_secret(struct entry *entry);
