#pragma once

/*
 * The journal of systemd, where the agent runs as its service. Entries go in
 * its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), every field
 * with its length in front, so that no value can pass for another field.
 *
 * sd_journal_sendv(3) waits while the journal's queue is full, and the core
 * waits for nobody: what does not go at once is lost. The record is the audit
 * log; the journal is where people look.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Far more than the longest names and URLs take together. */
#define JOURNAL_ENTRY_MAX 8192

struct journal_entry {
	size_t size;
	/* A field had no room: the entry is not sent. */
	bool is_cut;
	uint8_t bytes[JOURNAL_ENTRY_MAX];
};

/* Is our standard error the journal's stream, as systemd.exec(5) says under $JOURNAL_STREAM? */
bool journal_has_stderr(void);

void journal_begin(struct journal_entry *entry);
/* Adds a field; NULL adds none. The name is one of the journal's: capitals, digits, '_'. */
void journal_add(struct journal_entry *entry, const char *name, const char *value);
/* Never waits. 0, or a negative errno: -EAGAIN when the queue is full, -EMSGSIZE if it was cut. */
int journal_send(const struct journal_entry *entry);
