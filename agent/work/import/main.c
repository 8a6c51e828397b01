/*
 * worker-import: reads a file of cargo's that holds tokens. It tells where they
 * stand, or takes one out of it, so that neither the client nor the core has to
 * read such a file or to parse TOML.
 *
 * The text lies in locked memory, but the parser's own copies do not. They are
 * never written anywhere, and they go with this process, which ends as soon as
 * it has answered.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/work/import/credentials.h"
#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "protocol/names.h"
#include "protocol/secret.h"
#include "protocol/toml.h"

/* What the file holds; `size` bytes of the text are there. */
struct import_file {
	struct secret *text;
	size_t size;
	struct toml_document *document;
};

static void import_file_done(struct import_file *file) {
	secret_free(file->text);
	toml_free(file->document);
}

static const char *import_file_text(const struct import_file *file) {
	return (const char *) secret_peek(file->text);
}

/* Reads until the end or until `bytes` is full, wherever the descriptor stands. */
static int import_read(int fd, struct secret *bytes, size_t *ret) {
	size_t n = 0;

	while (n < secret_size(bytes)) {
		ssize_t got = pread(
			fd, secret_bytes(bytes) + n, secret_size(bytes) - n, (off_t) n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t) got;
	}
	*ret = n;
	return 0;
}

static void wipe_text(char **text) {
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

/* Says only where it went wrong: the parser's own words may quote a token. */
static void import_explain(const char *error, char **ret_detail) {
	unsigned line;

	if (error && sscanf(error, "line %u:", &line) == 1 &&
		asprintf(ret_detail, "line %u is not valid TOML", line) < 0)
		*ret_detail = NULL;
}

/* Asked before the sandbox, which has no calls for it; nothing is read yet. */
static enum refusal import_file_size(int fd, size_t *ret) {
	struct stat status;

	if (fstat(fd, &status) < 0)
		return refusal_from_errno(-errno);
	if (!S_ISREG(status.st_mode) || status.st_size < 0 ||
		(uintmax_t) status.st_size > TOML_MAX)
		return REFUSAL_FILE_INVALID;
	*ret = (size_t) status.st_size;
	return REFUSAL_NONE;
}

static enum refusal import_file_load(int fd, size_t size, struct import_file *file,
	char **ret_detail) {
	_cleanup_(wipe_text) char *error = NULL;
	int r;

	/* One byte more, to see a file that still grows. */
	r = secret_new(size + 1, &file->text);
	if (r < 0)
		return refusal_from_errno(r);
	if (import_read(fd, file->text, &file->size) < 0 || file->size > size)
		return REFUSAL_FILE_INVALID;
	r = toml_parse(import_file_text(file), file->size, &file->document, &error);
	if (r == -EBADMSG) {
		import_explain(error, ret_detail);
		return REFUSAL_FILE_INVALID;
	}
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

/* What a list fills. */
struct import_list {
	struct fields *answer;
	uint8_t n;
};

static int import_put(struct fields *found, const struct credential *credential) {
	int r = fields_put_string(found, FIELD_TOML_KEY, credential->key);

	if (r == 0)
		r = fields_put_string(found, FIELD_REGISTRY, credential->name);
	if (r == 0)
		r = fields_put_u64(found, FIELD_LINE, credential->line);
	if (r == 0)
		r = fields_put_u64(found, FIELD_START, credential->place.start);
	if (r == 0)
		r = fields_put_u64(found, FIELD_END, credential->place.end);
	if (r == 0)
		r = fields_put_u64(found, FIELD_IS_SIMPLE, credential->place.is_simple);
	if (r == 0)
		r = fields_put_u64(found, FIELD_IS_ASYMMETRIC, credential->is_asymmetric);
	return r;
}

static int import_found(const struct credential *credential, void *userdata) {
	_cleanup_(fields_freep) struct fields *found = NULL;
	struct import_list *list = userdata;
	int r;

	if (list->n == FOUND_MAX)
		return -E2BIG;
	r = fields_new(&found);
	if (r == 0)
		r = import_put(found, credential);
	if (r < 0)
		return r;
	return fields_put(list->answer, (uint8_t) (FIELD_FOUND + list->n++), fields_bytes(found),
		fields_size(found));
}

static enum refusal import_list(
	const struct import_file *file, struct fields *answer, char **ret_detail) {
	struct import_list list = {.answer = answer};
	int r = credentials_walk(
		file->document, import_file_text(file), file->size, import_found, &list);

	if (r == -E2BIG) {
		*ret_detail = strdup("there are too many tokens in it");
		return REFUSAL_FILE_INVALID;
	}
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal import_take(
	const struct import_file *file, const char *key, struct fields *answer) {
	_cleanup_(wipe_text) char *token = NULL;
	int r;

	r = toml_get_string(file->document, key, &token);
	if (r == -ENOENT || r == -EBADMSG)
		return REFUSAL_NO_TOKEN_IN_FILE;
	if (r < 0)
		return refusal_from_errno(r);
	if (!token_is_valid(token, strlen(token)))
		return REFUSAL_BAD_TOKEN;
	r = fields_put(answer, FIELD_SECRET, token, strlen(token));
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal import_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(import_file_done) struct import_file file = {0};
	_cleanup_(freep) char *key = NULL;
	enum refusal refusal;
	size_t size = 0;
	int r;

	if (n_fds != 1)
		return REFUSAL_INTERNAL;
	refusal = import_file_size(fds[0], &size);
	if (refusal != REFUSAL_NONE)
		return refusal;
	r = sandbox_enter(SANDBOX_IMPORT);
	if (r < 0)
		return refusal_from_errno(r);
	r = fields_get_string(task, FIELD_TOML_KEY, &key);
	if (r < 0 && r != -ENOENT)
		return refusal_from_errno(r);
	refusal = import_file_load(fds[0], size, &file, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return key ? import_take(&file, key, answer) : import_list(&file, answer, ret_detail);
}

int main(void) {
	return worker_run(import_work);
}
