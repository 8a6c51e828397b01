/*
 * The desktop's keyring (Secret Service), through worker-keyring: each operation
 * is one job. The image travels in a file in memory; all of it is what the store
 * has sealed. How it lies in the keyring is agent/work/keyring/store.h's.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/bus.h"
#include "agent/job.h"
#include "cipher.h"
#include "medium.h"
#include "protocol/secret.h"

/* How long it may be silent; and where it may ask a person. */
#define ANSWER_USEC (4500 * USEC_PER_MSEC)
#define ASKING_USEC (30 * USEC_PER_SEC)
/* And however busy it is: thousands of records are written in this time. */
#define WHOLE_USEC (30 * USEC_PER_SEC)

struct keyring {
	struct medium medium;
	struct agent *agent;
	struct job *job;
	int file; /* the image under way; -1 without */
	/* Of what lay there when we last read or wrote it. */
	uint8_t digest[CIPHER_HASH_SIZE];
	bool is_known;
};

static int error_of(enum refusal refusal) {
	static const struct {
		enum refusal refusal;
		int error;
	} rows[] = {
		{REFUSAL_NONE, 0},
		{REFUSAL_NO_STORE, -ENOENT},
		{REFUSAL_KEYRING_LOCKED, -ENOKEY},
		{REFUSAL_KEYRING_UNREACHABLE, -ENXIO},
		{REFUSAL_KEYRING_TIMEOUT, -ETIMEDOUT},
		{REFUSAL_WORKER_TIMEOUT, -ETIMEDOUT},
		{REFUSAL_KEYRING_DENIED, -ECANCELED},
		{REFUSAL_STORE_DAMAGED, -EBADMSG},
		{REFUSAL_STORE_NEWER, -ENOTSUP},
		{REFUSAL_STORE_EXISTS, -EEXIST},
		{REFUSAL_STORE_CHANGED, -ESTALE},
		{REFUSAL_STORE_UNSURE, -EINPROGRESS},
		{REFUSAL_BUSY, -EBUSY},
		{REFUSAL_NO_MEMORY, -ENOMEM},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].refusal == refusal)
			return rows[i].error;
	}
	return -EIO;
}

static void keyring_end(struct keyring *keyring) {
	keyring->job = job_free(keyring->job);
	keyring->file = fd_close(keyring->file);
}

static int take_digest(struct keyring *keyring, const struct fields *answer) {
	const uint8_t *digest;
	size_t size;

	if (fields_get(answer, FIELD_DIGEST, &digest, &size) < 0 || size != CIPHER_HASH_SIZE)
		return -EIO;
	memcpy(keyring->digest, digest, CIPHER_HASH_SIZE);
	keyring->is_known = true;
	return 0;
}

static int new_file(int *ret) {
	int fd = memfd_create("cpub-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* A copy of our own first: the worker may still have the file. */
static int read_file(int fd, struct image **ret) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct stat status;
	size_t size;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || (size_t) status.st_size > IMAGE_SIZE_MAX)
		return -EIO;
	size = (size_t) status.st_size;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	/* A file in memory is read whole, or has been cut meanwhile. */
	if (pread(fd, bytes, size, 0) != (ssize_t) size)
		return -EIO;
	return image_decode(bytes, size, ret);
}

static int write_file(int fd, const struct image *image) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;
	int r = image_encode(image, &bytes, &size);

	if (r < 0)
		return r;
	if (pwrite(fd, bytes, size, 0) != (ssize_t) size)
		return -ENOMEM;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
		? -errno
		: 0;
}

/* Starts the errand; what its task needs besides is in `more`, which is taken over. */
static int keyring_start(struct keyring *keyring, enum keyring_errand errand, struct fields *more,
	job_done_t done) {
	_cleanup_(fields_freep) struct fields *task = more;
	bool may_ask = keyring->medium.may_ask;
	int r;

	if (!bus_is_there())
		return -ENXIO;
	r = fields_put_u64(task, FIELD_KEYRING_ERRAND, errand);
	if (r == 0)
		r = fields_put_u64(task, FIELD_MAY_PROMPT, may_ask);
	if (r == 0 && keyring->is_known)
		r = fields_put(task, FIELD_DIGEST, keyring->digest, CIPHER_HASH_SIZE);
	if (r < 0)
		return r;
	r = job_new(keyring->agent, WORKER_KEYRING, TAKE_PTR(task), &keyring->file,
		keyring->file >= 0 ? 1 : 0, may_ask ? ASKING_USEC : ANSWER_USEC, done, keyring,
		&keyring->job);
	if (r == 0)
		job_allow_progress(keyring->job, WHOLE_USEC);
	return r;
}

static void keyring_loaded(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct keyring *keyring = userdata;
	struct image *image = NULL;
	int r = error_of(refusal);

	(void) detail;
	if (r == 0)
		r = read_file(keyring->file, &image);
	if (r == 0)
		r = take_digest(keyring, answer);
	if (r < 0)
		image = image_free(image);
	keyring_end(keyring);
	medium_complete(&keyring->medium, r, image);
}

static void keyring_load(struct medium *medium) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	struct keyring *keyring = (struct keyring *) medium;
	int r;

	keyring->is_known = false;
	r = fields_new(&task);
	if (r == 0)
		r = new_file(&keyring->file);
	if (r == 0)
		r = keyring_start(keyring, KEYRING_LOAD, TAKE_PTR(task), keyring_loaded);
	if (r < 0) {
		keyring_end(keyring);
		medium_complete(medium, r, NULL);
	}
}

static void keyring_saved(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct keyring *keyring = userdata;
	int r = error_of(refusal);

	(void) detail;
	if (r == 0)
		r = take_digest(keyring, answer);
	keyring_end(keyring);
	medium_complete(&keyring->medium, r, NULL);
}

static void keyring_save(struct medium *medium, const struct image *image) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	_cleanup_(secret_freep) struct secret *key = TAKE_PTR(medium->key);
	struct keyring *keyring = (struct keyring *) medium;
	int r;

	r = fields_new(&task);
	if (r == 0)
		r = fields_put_u64(task, FIELD_KEEPS_KEY, medium->has_key);
	if (r == 0 && key)
		r = fields_put_secret(task, FIELD_KEY, key);
	if (r == 0)
		r = new_file(&keyring->file);
	if (r == 0)
		r = write_file(keyring->file, image);
	if (r == 0)
		r = keyring_start(keyring, KEYRING_SAVE, TAKE_PTR(task), keyring_saved);
	if (r < 0) {
		keyring_end(keyring);
		medium_complete(medium, r, NULL);
	}
}

static void keyring_erased(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct keyring *keyring = userdata;
	int r = error_of(refusal);

	(void) detail;
	(void) answer;
	if (r == 0)
		keyring->is_known = false;
	keyring_end(keyring);
	medium_complete(&keyring->medium, r, NULL);
}

static void keyring_erase(struct medium *medium) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	struct keyring *keyring = (struct keyring *) medium;
	int r;

	r = fields_new(&task);
	if (r == 0)
		r = keyring_start(keyring, KEYRING_ERASE, TAKE_PTR(task), keyring_erased);
	if (r < 0) {
		keyring_end(keyring);
		medium_complete(medium, r, NULL);
	}
}

static void keyring_key_loaded(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct keyring *keyring = userdata;
	struct secret *key = NULL;
	int r = error_of(refusal);

	(void) detail;
	if (r == 0 && fields_get_secret(answer, FIELD_KEY, &key) < 0)
		r = -EIO;
	keyring_end(keyring);
	medium_complete_key(&keyring->medium, r, key);
}

static void keyring_load_key(struct medium *medium) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	struct keyring *keyring = (struct keyring *) medium;
	int r;

	r = fields_new(&task);
	if (r == 0)
		r = keyring_start(keyring, KEYRING_LOAD_KEY, TAKE_PTR(task), keyring_key_loaded);
	if (r < 0) {
		keyring_end(keyring);
		medium_complete_key(medium, r, NULL);
	}
}

static void keyring_free(struct medium *medium) {
	struct keyring *keyring = (struct keyring *) medium;

	keyring_end(keyring);
	free(keyring);
}

static const struct medium_ops keyring_ops = {
	.name = "keyring",
	.load = keyring_load,
	.save = keyring_save,
	.erase = keyring_erase,
	.load_key = keyring_load_key,
	.free = keyring_free,
};

int keyring_medium_new(struct agent *agent, struct medium **ret) {
	_cleanup_(freep) struct keyring *keyring = NULL;
	int r;

	keyring = calloc(1, sizeof(*keyring));
	if (!keyring)
		return -ENOMEM;
	r = medium_init(&keyring->medium, &keyring_ops, agent->event);
	if (r < 0)
		return r;
	keyring->agent = agent;
	keyring->file = -1;
	*ret = &TAKE_PTR(keyring)->medium;
	return 0;
}
