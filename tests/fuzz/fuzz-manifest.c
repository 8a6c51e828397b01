/*
 * Whatever a manifest says: if it is taken, the metadata are one strict JSON document that
 * begins with name and version, the names of what the crate needs are crate names, each
 * once, and the requirements and platforms printed are printed the same once more. If it
 * is not, a rule says why, in one clean line.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/dependency.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/lines.h"
#include "agent/work/inspect/manifest.h"
#include "agent/work/inspect/metadata.h"
#include "agent/work/inspect/package.h"
#include "agent/work/inspect/platform.h"
#include "agent/work/inspect/requirement.h"
#include "agent/work/inspect/rule.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "tests/fuzz/fuzz.h"

/* All that is read out of one text. */
struct reading {
	struct manifest *manifest;
	struct package package;
	struct dependencies dependencies;
	struct lines warnings;
	struct fault fault;
};

static void reading_done(struct reading *reading) {
	manifest_free(reading->manifest);
	package_done(&reading->package);
	dependencies_done(&reading->dependencies);
	lines_done(&reading->warnings);
	fault_done(&reading->fault);
}

static void check_clean(const char *text, bool has_lines) {
	for (; *text; text++)
		check((*text >= ' ' && *text <= '~') || (has_lines && *text == '\n'));
}

static void check_metadata(const struct reading *reading, int fd) {
	_cleanup_(json_freep) struct json *root = NULL;
	struct stat status;

	check(fstat(fd, &status) == 0 && status.st_size > 0);
	_cleanup_(freep) char *text = malloc((size_t) status.st_size + 1);
	check(text && pread(fd, text, (size_t) status.st_size, 0) == status.st_size);
	text[status.st_size] = '\0';
	check(strncmp(text, "{\"name\":\"", 9) == 0);
	/* Numbers are none in it, keys are each once, and it is no deeper than this. */
	check(json_parse(text, (size_t) status.st_size, &root) == 0);
	check(strcmp(json_string(json_member(root, "name")), reading->package.name) == 0);
	check(strcmp(json_string(json_member(root, "vers")), reading->package.version) == 0);
	check(json_n_elements(json_member(root, "deps")) == reading->dependencies.n);
}

static void check_needs(const struct dependencies *dependencies) {
	_cleanup_(freep) char *needs = NULL;
	const char *before = "";

	check(dependencies_names(dependencies, &needs) == 0);
	for (char *name = needs ? strtok(needs, "\n") : NULL; name; name = strtok(NULL, "\n")) {
		check(crate_name_is_valid(name));
		check(strcmp(before, name) < 0);
		before = name;
	}
}

static void check_printed(const struct dependency *dependency) {
	_cleanup_(freep) char *requirement = NULL;
	_cleanup_(freep) char *target = NULL;

	check(crate_name_is_valid(dependency->name));
	check(requirement_print(dependency->requirement, &requirement) == 0);
	check(strcmp(requirement, dependency->requirement) == 0);
	if (!dependency->target)
		return;
	check(platform_print(dependency->target, &target) == 0);
	check(strcmp(target, dependency->target) == 0);
}

static int read_all(struct reading *reading, const struct crate *crate, const char *index_url,
	const char *text, size_t size, int fd) {
	struct fault *fault = &reading->fault;
	uint64_t metadata_size;

	int r = manifest_new(text, size, &reading->manifest, fault);
	if (r == 0)
		r = package_read(reading->manifest, crate, &reading->package, fault);
	if (r == 0)
		r = dependencies_read(reading->manifest, index_url, &reading->dependencies, fault);
	if (r == 0)
		r = rule_check_publish(reading->manifest, index_url, fault);
	if (r == 0)
		r = rule_warn(&reading->package, &reading->warnings);
	if (r == 0 && registry_url_is_crates_io(index_url))
		r = rule_check_crates_io(reading->manifest, &reading->package,
			&reading->dependencies, &reading->warnings, fault);
	if (r == 0)
		r = metadata_write(reading->manifest, &reading->package, &reading->dependencies,
			crate, fd, &metadata_size, fault);
	return r;
}

static void read_manifest(const char *index_url, const char *text, size_t size) {
	struct listing_entry entries[] = {{.name = (char *) "Cargo.toml"}};
	_cleanup_(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Who asks for the content of a file in it finds the archive to be empty. */
	const struct crate crate = {.file = {.fd = fd},
		.listing = {.top = (char *) "demo-0.1.0", .entries = entries, .n = 1}};
	_cleanup_(reading_done) struct reading reading = {0};

	check(fd >= 0);
	int r = read_all(&reading, &crate, index_url, text, size, fd);
	if (reading.warnings.text)
		check_clean(reading.warnings.text, true);
	if (r < 0) {
		check(r == -EBADMSG && reading.fault.refusal != REFUSAL_NONE);
		check_clean(reading.fault.text, false);
		return;
	}
	check_metadata(&reading, fd);
	check_needs(&reading.dependencies);
	for (size_t i = 0; i < reading.dependencies.n; i++)
		check_printed(&reading.dependencies.list[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	/* A copy of exactly that size, so that a byte read past the end is seen. */
	_cleanup_(freep) char *text = malloc(size > 0 ? size : 1);

	check(text);
	if (size > 0)
		memcpy(text, bytes, size);
	read_manifest("sparse+https://corp.example/index", text, size);
	read_manifest(CRATES_IO_INDEX, text, size);
	return 0;
}
