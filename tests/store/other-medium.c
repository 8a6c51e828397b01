#include "other-medium.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct faults other_faults, vault_faults;

static const struct medium_ops *file_ops;
static struct medium_ops other_ops, vault_ops;

static struct faults *faults_of(const struct medium *medium) {
	return medium->ops == &other_ops ? &other_faults : &vault_faults;
}

static void load(struct medium *medium) {
	const struct faults *faults = faults_of(medium);

	file_ops->load(medium);
	if (faults->load < 0) {
		medium->image = image_free(medium->image);
		medium->error = faults->load;
	} else if (faults->lies && medium->image) {
		(void) image_erase(medium->image, medium->image->records[0].id); /* It is there. */
	}
}

static void save(struct medium *medium, const struct image *image) {
	if (faults_of(medium)->save < 0)
		medium_complete(medium, faults_of(medium)->save, NULL);
	else
		file_ops->save(medium, image);
}

static void erase(struct medium *medium) {
	if (faults_of(medium)->erase < 0)
		medium_complete(medium, faults_of(medium)->erase, NULL);
	else
		file_ops->erase(medium);
}

static int make(struct medium_ops *ops, const char *name, struct agent *agent, struct medium **ret) {
	int r = file_medium_new(agent, ret);

	if (r < 0)
		return r;
	if (!file_ops)
		file_ops = (*ret)->ops;
	*ops = *file_ops;
	ops->name = name;
	ops->load = load;
	ops->save = save;
	ops->erase = erase;
	(*ret)->ops = ops;
	return 0;
}

/* A vault stays in the folder that it was born for. */
static int make_other(struct agent *agent, struct medium **ret) {
	_cleanup_(freep) char *home = strdup(getenv("XDG_DATA_HOME"));
	_cleanup_(freep) char *folder = NULL;
	int r;

	if (!home || asprintf(&folder, "%s/other", home) < 0)
		return -ENOMEM;
	(void) setenv("XDG_DATA_HOME", folder, 1);
	r = make(&other_ops, "other", agent, ret);
	(void) setenv("XDG_DATA_HOME", home, 1);
	return r;
}

int medium_new(const char *name, struct agent *agent, struct medium **ret) {
	if (strcmp(name, "vault") == 0)
		return make(&vault_ops, "vault", agent, ret);
	if (strcmp(name, "other") == 0)
		return make_other(agent, ret);
	return strcmp(name, "memory") == 0 ? memory_medium_new(agent, ret) : -ENOTSUP;
}

const char *other_path(const char *name) {
	static char path[256];

	(void) snprintf(
		path, sizeof(path), "%s/other/cpub-agent/%s", getenv("XDG_DATA_HOME"), name);
	return path;
}
