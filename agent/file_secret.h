#pragma once

/*
 * The token in a file that a client lends: worker-import takes it out, so that
 * neither the client nor the core reads the file.
 */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct file_secret;
struct secret;
struct session;

/* `secret` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. */
typedef void (*file_secret_done_t)(enum refusal refusal, struct secret *secret, void *userdata);

/*
 * Takes the text under `key` ("registries.corp.token") of the file in
 * session->file. 0 and *ret (caller frees), -EBADF without a file, or another
 * negative errno; then there is no callback. The callback may free it as its last act.
 */
int file_secret_new(struct session *session, const char *key, file_secret_done_t done,
	void *userdata, struct file_secret **ret);
struct file_secret *file_secret_free(struct file_secret *file);
DEFINE_CLEANUP(struct file_secret, file_secret_free)
