#include "sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/consignment.h"
#include "agent/job.h"
#include "agent/log.h"
#include "protocol/names.h"
#include "protocol/request.h"

/* A lent file may lie on a slow disk; one that hangs is given up soon. */
#define SEAL_SILENCE_USEC (10 * USEC_PER_SEC)
#define SEAL_WHOLE_USEC (5 * 60 * USEC_PER_SEC)
#define INSPECT_USEC (60 * USEC_PER_SEC)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

struct sealing {
	struct agent *agent;
	struct parcel *parcel;
	struct job *job;
	sealing_done_t done;
	void *userdata;
};

static struct sealing *sealing_begin(struct parcel *parcel, sealing_done_t done, void *userdata) {
	struct sealing *sealing = calloc(1, sizeof(*sealing));

	if (!sealing) {
		parcel_free(parcel);
		return NULL;
	}
	sealing->parcel = parcel;
	sealing->done = done;
	sealing->userdata = userdata;
	return sealing;
}

static int new_memory_file(const char *name) {
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

/* Whatever the worker said: is it closed to changes, and as long as it said? */
static bool is_sealed(int fd, uint64_t size) {
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;

	return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &status) == 0 &&
	       (size == 0 || (uint64_t) status.st_size == size);
}

static void sealing_finish(struct sealing *sealing, enum refusal refusal, const char *detail) {
	struct parcel *parcel = refusal == REFUSAL_NONE ? TAKE_PTR(sealing->parcel) : NULL;

	sealing->done(refusal, detail, parcel, sealing->userdata);
}

static enum refusal take_sealed(struct parcel *parcel, const struct fields *answer) {
	if (fields_get_u64(answer, FIELD_SIZE, &parcel->size) < 0 || parcel->size == 0 ||
		parcel->size != parcel->n_reserved ||
		fields_get_string(answer, FIELD_CHECKSUM, &parcel->checksum) < 0 ||
		!sha256_hex_is_valid(parcel->checksum) || !is_sealed(parcel->file, parcel->size)) {
		log_warning("worker-seal told nonsense");
		return REFUSAL_WORKER_FAILED;
	}
	return REFUSAL_NONE;
}

static void sealing_sealed(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct sealing *sealing = userdata;

	if (refusal == REFUSAL_NONE)
		refusal = take_sealed(sealing->parcel, answer);
	parcel_written(sealing->parcel);
	sealing_finish(sealing, refusal, detail);
}

/* Before the first byte is copied it tells how many there are: is there room for them? */
static void sealing_progressed(const struct fields *fields, void *userdata) {
	struct sealing *sealing = userdata;
	enum refusal refusal;
	uint64_t size;

	if (sealing->parcel->n_reserved > 0 || fields_get_u64(fields, FIELD_TOTAL, &size) < 0)
		return;
	refusal = size > 0 && size <= CRATE_SIZE_MAX
			  ? parcel_reserve(sealing->parcel, sealing->agent, size)
			  : REFUSAL_WORKER_FAILED;
	if (refusal != REFUSAL_NONE)
		job_give_up(sealing->job, refusal);
}

static int start_seal(struct sealing *sealing, struct agent *agent, const struct parked *file,
	uint64_t size_max) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r = fields_new(&task);

	if (r == 0)
		r = fields_put_u64(task, FIELD_SIZE_MAX, size_max);
	if (r == 0)
		r = job_new(agent, WORKER_SEAL, TAKE_PTR(task), &sealing->parcel->file, 1,
			SEAL_SILENCE_USEC, sealing_sealed, sealing, &sealing->job);
	if (r == 0)
		r = job_lend(sealing->job, file);
	if (r < 0)
		return r;
	job_allow_progress(sealing->job, SEAL_WHOLE_USEC);
	job_tell_progress(sealing->job, sealing_progressed);
	return 0;
}

enum refusal sealing_new(struct agent *agent, const struct parked *file, uint64_t size_max,
	sealing_done_t done, void *userdata, struct sealing **ret) {
	_cleanup_(sealing_freep) struct sealing *sealing = NULL;
	struct parcel *parcel = parcel_new();
	int r;

	if (parcel)
		sealing = sealing_begin(parcel, done, userdata);
	if (!sealing)
		return REFUSAL_NO_MEMORY;
	sealing->agent = agent;
	parcel->file = new_memory_file("cpub-crate");
	r = parcel->file < 0 ? parcel->file : start_seal(sealing, agent, file, size_max);
	if (r < 0)
		return refusal_from_errno(r);
	*ret = TAKE_PTR(sealing);
	return REFUSAL_NONE;
}

/* Lines of a worker's, which has cleaned them; and again here, as they are shown. */
static char *take_lines(const struct fields *answer, enum field field) {
	char *lines;

	if (fields_get_string(answer, (uint8_t) field, &lines) < 0)
		return NULL;
	for (char *at = lines; *at; at++) {
		if ((*at < ' ' && *at != '\n') || *at > '~')
			*at = '?';
	}
	return lines;
}

/* A crate may need itself for its tests (a dev-dependency), for which nothing has to go up before it. */
static void drop_line(char *lines, const char *line) {
	size_t size = strlen(line);

	for (char *at = lines; at && *at;) {
		size_t length = strcspn(at, "\n");
		char *next = at + length + (at[length] == '\n');

		if (length == size && memcmp(at, line, size) == 0)
			memmove(at, next, strlen(next) + 1);
		else
			at = next;
	}
}

static enum refusal take_inspected(struct parcel *parcel, const struct fields *answer) {
	if (fields_get_string(answer, FIELD_CRATE, &parcel->crate) < 0 ||
		!crate_name_is_valid(parcel->crate) ||
		fields_get_string(answer, FIELD_VERSION, &parcel->version) < 0 ||
		!semver_is_valid(parcel->version) || !is_sealed(parcel->metadata, 0)) {
		log_warning("worker-inspect told nonsense");
		return REFUSAL_WORKER_FAILED;
	}
	(void) fields_get_u64(answer, FIELD_UNPACKED, &parcel->unpacked); /* For people. */
	(void) fields_get_u64(answer, FIELD_ENTRIES, &parcel->n_entries);
	parcel->warnings = take_lines(answer, FIELD_WARNINGS);
	parcel->needs = take_lines(answer, FIELD_NEEDS);
	drop_line(parcel->needs, parcel->crate);
	return REFUSAL_NONE;
}

static void sealing_inspected(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct sealing *sealing = userdata;

	if (refusal == REFUSAL_NONE)
		refusal = take_inspected(sealing->parcel, answer);
	sealing_finish(sealing, refusal, detail);
}

enum refusal sealing_inspect(struct agent *agent, const char *index_url, struct parcel *parcel,
	sealing_done_t done, void *userdata, struct sealing **ret) {
	_cleanup_(sealing_freep) struct sealing *sealing = sealing_begin(parcel, done, userdata);
	_cleanup_(fields_freep) struct fields *task = NULL;
	int fds[2], r;

	if (!sealing)
		return REFUSAL_NO_MEMORY;
	parcel->metadata = new_memory_file("cpub-metadata");
	if (parcel->metadata < 0)
		return refusal_from_errno(parcel->metadata);
	fds[0] = parcel->file;
	fds[1] = parcel->metadata;
	r = fields_new(&task);
	if (r == 0)
		r = fields_put_u64(task, FIELD_INSPECT_ERRAND, INSPECT_CRATE);
	if (r == 0)
		r = fields_put_string(task, FIELD_INDEX_URL, index_url);
	if (r == 0)
		r = job_new(agent, WORKER_INSPECT, TAKE_PTR(task), fds, 2, INSPECT_USEC,
			sealing_inspected, sealing, &sealing->job);
	if (r < 0)
		return refusal_from_errno(r);
	*ret = TAKE_PTR(sealing);
	return REFUSAL_NONE;
}

/* "src/lib.rs, Cargo.toml and 3 more"; NULL where nothing is told. */
static char *describe_different(const struct fields *answer) {
	_cleanup_(freep) char *names = take_lines(answer, FIELD_DIFFERENT);
	uint64_t n = 0, n_named = 0;
	char *text;
	size_t size;
	FILE *out = names ? open_memstream(&text, &size) : NULL;

	if (!out)
		return NULL;
	(void) fields_get_u64(answer, FIELD_N_DIFFERENT, &n);
	for (char *rest = names, *name; (name = strsep(&rest, "\n"));) {
		if (*name)
			fprintf(out, "%s%s", n_named++ > 0 ? ", " : "", name);
	}
	if (n > n_named)
		fprintf(out, " and %" PRIu64 " more", n - n_named);
	return fclose(out) == 0 ? text : NULL;
}

static void sealing_compared(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(freep) char *different = NULL;
	struct sealing *sealing = userdata;

	if (refusal == REFUSAL_NONE) {
		different = describe_different(answer);
		detail = different ? different
				   : "the files in it are the same, the way they are packed is not";
		refusal = REFUSAL_CRATE_DIFFERS;
	}
	sealing_finish(sealing, refusal, detail);
}

enum refusal sealing_compare(struct agent *agent, const struct parcel *a, const struct parcel *b,
	sealing_done_t done, void *userdata, struct sealing **ret) {
	_cleanup_(sealing_freep) struct sealing *sealing = sealing_begin(NULL, done, userdata);
	_cleanup_(fields_freep) struct fields *task = NULL;
	int fds[2] = {a->file, b->file}, r;

	if (!sealing)
		return REFUSAL_NO_MEMORY;
	r = fields_new(&task);
	if (r == 0)
		r = fields_put_u64(task, FIELD_INSPECT_ERRAND, INSPECT_COMPARE);
	if (r == 0)
		r = job_new(agent, WORKER_INSPECT, TAKE_PTR(task), fds, 2, INSPECT_USEC,
			sealing_compared, sealing, &sealing->job);
	if (r < 0)
		return refusal_from_errno(r);
	*ret = TAKE_PTR(sealing);
	return REFUSAL_NONE;
}

struct sealing *sealing_free(struct sealing *sealing) {
	if (!sealing)
		return NULL;
	job_free(sealing->job);
	parcel_free(sealing->parcel);
	free(sealing);
	return NULL;
}
