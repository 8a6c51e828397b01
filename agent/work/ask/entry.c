#include "entry.h"

#include <errno.h>

#include "protocol/names.h"
#include "protocol/secret.h"

#define KEY(letter) ((letter) &0x1f)
#define ESCAPE 0x1b
#define DELETE 0x7f

/* An arrow or function key sends several bytes, which are no part of a passphrase. */
enum escape_state {
	ESCAPE_NONE,
	ESCAPE_BEGUN,	 /* ESC */
	ESCAPE_SEQUENCE, /* ESC [ or ESC O, until a byte from 0x40 on (ECMA-48, 5.4) */
};

struct entry {
	/* TOKEN_MAX bytes, and the slot behind the last. */
	struct secret *bytes;
	size_t size;
	enum escape_state escape;
	bool is_shown;
	bool is_too_long;
};

int entry_new(bool is_shown, struct entry **ret) {
	_cleanup_(entry_freep) struct entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;

	entry->is_shown = is_shown;
	int r = secret_new(TOKEN_MAX + 1, &entry->bytes);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(entry);
	return 0;
}

struct entry *entry_free(struct entry *entry) {
	if (!entry)
		return NULL;
	entry->bytes = secret_free(entry->bytes);
	free(entry);
	return NULL;
}

uint8_t *entry_slot(struct entry *entry) {
	return secret_bytes(entry->bytes) + entry->size;
}

bool entry_is_too_long(const struct entry *entry) {
	return entry->is_too_long;
}

struct secret *entry_take_secret(struct entry *entry) {
	if (entry->size == 0)
		return NULL;
	secret_shrink(entry->bytes, entry->size);
	return TAKE_PTR(entry->bytes);
}

/* Cuts the line to `size` and returns how many characters vanish from the terminal. */
static size_t entry_cut(struct entry *entry, size_t size) {
	size_t n = entry->size - size;

	while (entry->size > size)
		*(secret_bytes(entry->bytes) + --entry->size) = 0;
	return entry->is_shown ? n : 0;
}

/* Where the last character begins: UTF-8 has continuation bytes, 10xxxxxx. */
static size_t entry_last_character(const struct entry *entry) {
	const uint8_t *bytes = secret_peek(entry->bytes);
	size_t start = entry->size;

	while (start > 0) {
		start--;
		if ((bytes[start] & 0xc0) != 0x80)
			break;
	}
	return start;
}

static size_t entry_last_word(const struct entry *entry) {
	const uint8_t *bytes = secret_peek(entry->bytes);
	size_t start = entry->size;

	while (start > 0 && bytes[start - 1] == ' ')
		start--;
	while (start > 0 && bytes[start - 1] != ' ')
		start--;
	return start;
}

static void entry_keep(struct entry *entry, uint8_t byte, struct entry_echo *echo) {
	if (entry->is_shown && byte >= DELETE)
		return;
	if (entry->size == TOKEN_MAX) {
		entry->is_too_long = true;
		return;
	}
	secret_bytes(entry->bytes)[entry->size++] = byte;
	if (entry->is_shown)
		echo->shown = (char) byte;
}

/* Skips the bytes of a key that is no character. True if this byte is one of them. */
static bool entry_skip_escape(struct entry *entry, uint8_t byte) {
	if (byte < ' ') { /* Enter or ^C in the middle of a sequence still counts. */
		entry->escape = byte == ESCAPE ? ESCAPE_BEGUN : ESCAPE_NONE;
		return byte == ESCAPE;
	}

	switch (entry->escape) {
	case ESCAPE_NONE:
		return false;
	case ESCAPE_BEGUN:
		entry->escape = byte == '[' || byte == 'O' ? ESCAPE_SEQUENCE : ESCAPE_NONE;
		return true;
	case ESCAPE_SEQUENCE:
		if (byte >= '@')
			entry->escape = ESCAPE_NONE;
		return true;
	}
	return false;
}

static enum entry_state entry_take_key(struct entry *entry, uint8_t byte, struct entry_echo *echo) {
	switch (byte) {
	case '\r': /* Either, as the terminal may or may not turn one into the other. */
	case '\n':
		return ENTRY_FINISHED;
	case KEY('C'):
		return ENTRY_DENIED;
	case KEY('D'):
		return entry->size == 0 ? ENTRY_DENIED : ENTRY_OPEN;
	case KEY('H'):
	case DELETE:
		echo->n_erased = entry_cut(entry, entry_last_character(entry));
		return ENTRY_OPEN;
	case KEY('U'):
		echo->n_erased = entry_cut(entry, 0);
		entry->is_too_long = false;
		return ENTRY_OPEN;
	case KEY('W'):
		echo->n_erased = entry_cut(entry, entry_last_word(entry));
		return ENTRY_OPEN;
	default:
		/* A hidden TAB may be meant; no other control byte is. */
		if (byte >= ' ' || (byte == '\t' && !entry->is_shown))
			entry_keep(entry, byte, echo);
		return ENTRY_OPEN;
	}
}

enum entry_state entry_take(struct entry *entry, struct entry_echo *ret_echo) {
	struct entry_echo echo = {0};
	uint8_t *slot = entry_slot(entry);
	uint8_t byte = *slot;

	*slot = 0;
	enum entry_state state =
		entry_skip_escape(entry, byte) ? ENTRY_OPEN : entry_take_key(entry, byte, &echo);
	*ret_echo = echo;
	return state;
}
