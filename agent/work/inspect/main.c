/*
 * worker-inspect: looks into a crate file that is sealed in memory, before anybody is
 * asked about it. It holds the archive against the rules of registries, makes the
 * metadata that go along with it, or says which files differ between two. An archive
 * and a manifest are a stranger's data, and three libraries read them: so this process
 * has no secret, no file, no network, and bounded memory.
 */

#include <errno.h>
#include <stdlib.h>

#include "agent/work/inspect/compare.h"
#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/dependency.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/lines.h"
#include "agent/work/inspect/manifest.h"
#include "agent/work/inspect/metadata.h"
#include "agent/work/inspect/package.h"
#include "agent/work/inspect/rule.h"
#include "agent/work/memory_file.h"
#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "protocol/names.h"

/* What is known of one crate, and of the registry that it is for. */
struct inspection {
	char *index_url;
	struct crate crate;
	struct manifest *manifest;
	struct package package;
	struct dependencies dependencies;
	struct lines warnings;
};

static void inspection_done(struct inspection *inspection) {
	free(inspection->index_url);
	crate_done(&inspection->crate);
	inspection->manifest = manifest_free(inspection->manifest);
	package_done(&inspection->package);
	dependencies_done(&inspection->dependencies);
	lines_done(&inspection->warnings);
}

static int inspection_read(
	struct inspection *inspection, const struct sealed_file *file, struct fault *fault) {
	struct crate *crate = &inspection->crate;

	int r = crate_read(file, false, crate, fault);
	if (r == 0)
		r = manifest_new(
			crate->manifest, crate->manifest_size, &inspection->manifest, fault);
	if (r == 0)
		r = package_read(inspection->manifest, crate, &inspection->package, fault);
	if (r == 0)
		r = dependencies_read(inspection->manifest, inspection->index_url,
			&inspection->dependencies, fault);
	return r;
}

static int inspection_check(struct inspection *inspection, struct fault *fault) {
	int r = rule_check_publish(inspection->manifest, inspection->index_url, fault);

	if (r == 0 && registry_url_is_crates_io(inspection->index_url))
		r = rule_check_crates_io(inspection->manifest, &inspection->package,
			&inspection->dependencies, &inspection->warnings, fault);
	if (r == 0)
		r = rule_warn(&inspection->package, &inspection->warnings);
	if (r == 0)
		r = listing_warn(&inspection->crate.listing, &inspection->warnings);
	return r;
}

static int inspection_write(const struct inspection *inspection, int fd, struct fault *fault) {
	uint64_t size;

	int r = metadata_write(inspection->manifest, &inspection->package,
		&inspection->dependencies, &inspection->crate, fd, &size, fault);
	if (r == 0 && registry_url_is_crates_io(inspection->index_url))
		r = rule_check_metadata_size(size, fault);
	return r;
}

static int inspection_answer(const struct inspection *inspection, struct fields *answer) {
	_cleanup_(freep) char *needs = NULL;

	int r = dependencies_names(&inspection->dependencies, &needs);
	if (r == 0)
		r = fields_put_string(answer, FIELD_CRATE, inspection->package.name);
	if (r == 0)
		r = fields_put_string(answer, FIELD_VERSION, inspection->package.version);
	if (r == 0)
		r = fields_put_u64(answer, FIELD_UNPACKED, inspection->crate.listing.n_bytes);
	if (r == 0)
		r = fields_put_u64(answer, FIELD_ENTRIES, inspection->crate.listing.n);
	if (r == 0)
		r = fields_put_string(answer, FIELD_WARNINGS, inspection->warnings.text);
	if (r == 0)
		r = fields_put_string(answer, FIELD_NEEDS, needs);
	return r;
}

static int inspect_crate(const struct fields *task, const struct sealed_file *file, int metadata,
	struct fields *answer, struct fault *fault) {
	_cleanup_(inspection_done) struct inspection inspection = {0};

	int r = fields_get_string(task, FIELD_INDEX_URL, &inspection.index_url);
	if (r == 0)
		r = inspection_read(&inspection, file, fault);
	if (r == 0)
		r = inspection_check(&inspection, fault);
	if (r == 0)
		r = inspection_write(&inspection, metadata, fault);
	return r < 0 ? r : inspection_answer(&inspection, answer);
}

static int inspect_compare(
	const struct sealed_file files[2], struct fields *answer, struct fault *fault) {
	_cleanup_(lines_done) struct lines different = {0};

	int r = compare_crates(&files[0], &files[1], &different, fault);
	if (r == 0)
		r = fields_put_string(answer, FIELD_DIFFERENT, different.text);
	return r < 0 ? r : fields_put_u64(answer, FIELD_N_DIFFERENT, different.n);
}

static enum refusal refusal_of(int error, struct fault *fault, char **ret_detail) {
	if (error == -EBADMSG && fault->refusal != REFUSAL_NONE) {
		*ret_detail = TAKE_PTR(fault->text);
		return fault->refusal;
	}
	return error == -ENOSPC ? REFUSAL_NO_ROOM : refusal_from_errno(error);
}

/* The files as the errand wants them; then the sandbox, in which their sizes could not be asked. */
static int inspect_prepare(uint64_t errand, const int *fds, struct sealed_file files[2]) {
	if (errand >= _INSPECT_ERRAND_MAX)
		return -EINVAL;
	int r = memory_file_check_sealed(fds[0], &files[0]);
	if (r == 0)
		r = errand == INSPECT_CRATE ? memory_file_check_empty(fds[1])
					    : memory_file_check_sealed(fds[1], &files[1]);
	return r < 0 ? r : sandbox_enter(SANDBOX_INSPECT);
}

static enum refusal inspect_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(fault_done) struct fault fault = {0};
	struct sealed_file files[2];
	uint64_t errand;

	if (n_fds != 2 || fields_get_u64(task, FIELD_INSPECT_ERRAND, &errand) < 0)
		return REFUSAL_INTERNAL;
	int r = inspect_prepare(errand, fds, files);
	if (r == 0)
		r = errand == INSPECT_CRATE ? inspect_crate(task, &files[0], fds[1], answer, &fault)
					    : inspect_compare(files, answer, &fault);
	return r < 0 ? refusal_of(r, &fault, ret_detail) : REFUSAL_NONE;
}

int main(void) {
	return worker_run(inspect_work);
}
