/*
 * worker-keyring: one errand to the desktop's keyring. A process of its own,
 * because the keyring may not answer for as long as it likes, because what the
 * D-Bus libraries leave in freed memory dies with it, and because the core
 * parses no D-Bus.
 */

#include <errno.h>
#include <stdlib.h>

#include "agent/store/cipher.h"
#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "cargo.h"
#include "service.h"
#include "store.h"

static enum refusal refusal_of(int error) {
	switch (error) {
	case 0:
		return REFUSAL_NONE;
	case -ENOENT:
		return REFUSAL_NO_STORE;
	case -ENOKEY:
		return REFUSAL_KEYRING_LOCKED;
	case -ENXIO:
		return REFUSAL_KEYRING_UNREACHABLE;
	case -ETIMEDOUT:
		return REFUSAL_KEYRING_TIMEOUT;
	case -ECANCELED:
		return REFUSAL_KEYRING_DENIED;
	case -EBADMSG:
		return REFUSAL_STORE_DAMAGED;
	case -ENOTSUP:
		return REFUSAL_STORE_NEWER;
	case -EEXIST:
		return REFUSAL_STORE_EXISTS;
	case -ESTALE:
		return REFUSAL_STORE_CHANGED;
	case -EINPROGRESS:
		return REFUSAL_STORE_UNSURE;
	case -EBUSY:
		return REFUSAL_BUSY;
	case -ENOMEM:
		return REFUSAL_NO_MEMORY;
	default:
		return REFUSAL_STORE_FAILED;
	}
}

/* The same words for cargo's items, some of which mean something else there. */
static enum refusal cargo_refusal_of(int error) {
	switch (error) {
	case -ENOENT:
		return REFUSAL_NO_TOKEN_IN_KEYRING;
	case -ENOTUNIQ:
		return REFUSAL_TOKEN_AMBIGUOUS;
	case -EINVAL:
		return REFUSAL_BAD_TOKEN;
	case -ESTALE:
		return REFUSAL_TOKEN_DIFFERS;
	case -EIO:
		return REFUSAL_WORKER_FAILED;
	default:
		return refusal_of(error);
	}
}

static enum refusal run(struct service *service, enum keyring_errand errand, struct fields *task,
	int file, struct fields *answer, char **ret_detail) {
	switch (errand) {
	case KEYRING_LOAD:
		return refusal_of(store_items_load(service, task, file, answer));
	case KEYRING_SAVE:
		return refusal_of(store_items_save(service, task, file, answer));
	case KEYRING_ERASE:
		return refusal_of(store_items_erase(service, task));
	case KEYRING_LOAD_KEY:
		return refusal_of(store_items_load_key(service, answer));
	case KEYRING_CARGO_LIST:
		return cargo_refusal_of(cargo_items_list(service, answer));
	case KEYRING_CARGO_TAKE:
		return cargo_refusal_of(cargo_items_take(service, task, answer, ret_detail));
	case KEYRING_CARGO_WIPE:
		return cargo_refusal_of(cargo_items_wipe(service, task));
	case _KEYRING_ERRAND_MAX:
		break;
	}
	return REFUSAL_INTERNAL;
}

/* The libraries look for settings and helpers that we do not want, and must not start any. */
static int calm_libraries(void) {
	static const char *const settings[][2] = {
		{"GIO_USE_VFS", "local"},
		{"GIO_USE_VOLUME_MONITOR", "unix"},
		{"GSETTINGS_BACKEND", "memory"},
		{"GIO_MODULE_DIR", "/nonexistent"},
		{"SECRET_BACKEND", "service"},
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (setenv(settings[i][0], settings[i][1], 1) < 0)
			return -errno;
	}
	return 0;
}

static enum refusal keyring_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(service_freep) struct service *service = NULL;
	uint64_t errand, may_prompt = 0;
	int r;

	r = calm_libraries();
	if (r == 0)
		r = cipher_init();
	if (r == 0)
		r = sandbox_enter(SANDBOX_KEYRING);
	if (r < 0)
		return refusal_from_errno(r);
	if (fields_get_u64(task, FIELD_KEYRING_ERRAND, &errand) < 0 ||
		errand >= _KEYRING_ERRAND_MAX)
		return REFUSAL_INTERNAL;
	(void) fields_get_u64(task, FIELD_MAY_PROMPT, &may_prompt); /* Absent: it may not. */
	r = service_open(may_prompt, &service);
	if (r < 0)
		return refusal_of(r);
	return run(service, (enum keyring_errand) errand, task, n_fds > 0 ? fds[0] : -1, answer,
		ret_detail);
}

int main(void) {
	return worker_run(keyring_work);
}
