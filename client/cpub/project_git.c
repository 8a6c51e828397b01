/*
 * cargo looks for the repository from each package's folder up, as git does, and
 * goes into the submodules and whatever else has a `.git` below. What is above the
 * first `.git` that every git takes for a repository is not looked at, as cargo does
 * not; one that only some take for one does not end the way up. A folder below that
 * which is itself laid out as a repository can come with a clone, so it is refused
 * whatever it says.
 */

#include "project_git.h"

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "complaint.h"
#include "git_config.h"
#include "protocol/cleanup.h"
#include "small_file.h"
#include "stop.h"
#include "workspace.h"

/* Of a file that holds a path. */
#define LINK_MAX_SIZE ((size_t) 2 * PATH_MAX)
#define HEAD_MAX_SIZE ((size_t) 1024)
#define HASH_SIZE 40
#define HEX "0123456789abcdef"
#define BRANCH_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-.+#"
/* Files and folders together, for one run. */
#define ENTRIES_MAX 2000000

struct place {
	dev_t device;
	ino_t inode;
};

struct search {
	struct git_filters *own;
	size_t n_entries;
	/* Repositories that were looked at: each member of a workspace leads to the same. */
	struct place *places;
	size_t n_places;
	char **ret_error;
};

static void search_done(struct search *search) {
	free(search->places);
	git_filters_free(search->own);
}

static int refuse(const struct search *search, const char *path, const char *what) {
	int r = complaint_make(search->ret_error, "'%s' %s", path, what);

	return r == -EINVAL ? -EPERM : r;
}

static bool exists(const char *folder, const char *name) {
	char path[PATH_MAX];
	struct stat status;

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int) sizeof(path) &&
	       stat(path, &status) == 0;
}

static int check_config(const struct search *search, const char *folder, const char *name) {
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
		return -ENAMETOOLONG;
	return git_config_check(path, search->own, search->ret_error);
}

/* One more entry of a walk: 0, or what ends it. */
static int count(struct search *search, const char *path) {
	if (stop_was_asked())
		return -ECANCELED;
	if (++search->n_entries <= ENTRIES_MAX)
		return 0;
	return refuse(search, path,
		"has more files around it than can be searched for a git repository that runs "
		"programs; publish from a fresh clone");
}

/*
 * A path in a file, of which those of git may start with `gitdir: `. 0, -ENOENT, -EBADMSG for
 * blanks that some cut off and others do not, -ENOMEM.
 */
static int read_link(const char *folder, const char *name, const char *start, char **ret) {
	_cleanup_(freep) char *path = NULL, *text = NULL;
	const char *rest;
	size_t size;
	int r;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = small_file_read(path, LINK_MAX_SIZE, &text, &size);
	if (r < 0 || strncmp(text, start, strlen(start)) != 0)
		return r == -ENOMEM ? r : -ENOENT; /* git takes it for none either. */
	rest = text + strlen(start);
	rest += *start && *rest == ' ';
	text[strcspn(text, "\r\n")] = '\0';
	if (isspace((unsigned char) rest[0]) ||
		(*rest && isspace((unsigned char) rest[strlen(rest) - 1])))
		return -EBADMSG;
	r = rest[0] == '/' ? asprintf(ret, "%s", rest) : asprintf(ret, "%s/%s", folder, rest);
	return r < 0 ? -ENOMEM : 0;
}

static int refuse_link(const struct search *search, const char *folder, const char *name) {
	char path[PATH_MAX];

	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	return refuse(search, path,
		"has blanks around the path that it holds, so which repository cargo would take is "
		"not sure; take them out");
}

/* Those of submodules, which lie inside the repository that has them. */
static int check_modules(struct search *search, const char *folder) {
	char path[PATH_MAX], *roots[] = {path, NULL};
	FTSENT *entry;
	FTS *walk;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/modules", folder) >= (int) sizeof(path))
		return -ENAMETOOLONG;
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	if (!walk)
		return -ENOMEM;
	while (r == 0 && (entry = fts_read(walk))) {
		r = count(search, entry->fts_path);
		if (r == 0 && entry->fts_info != FTS_D && entry->fts_info != FTS_DP &&
			(strcmp(entry->fts_name, "config") == 0 ||
				strcmp(entry->fts_name, "config.worktree") == 0))
			r = git_config_check(entry->fts_path, search->own, search->ret_error);
	}
	(void) fts_close(walk);
	return r;
}

/* 1 if it was looked at before, else 0; -ENOMEM. */
static int note_place(struct search *search, const char *folder) {
	struct place *places;
	struct stat status;

	if (stat(folder, &status) < 0)
		return 0;
	for (size_t i = 0; i < search->n_places; i++) {
		if (search->places[i].device == status.st_dev &&
			search->places[i].inode == status.st_ino)
			return 1;
	}
	places = reallocarray(search->places, search->n_places + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	places[search->n_places++] =
		(struct place){.device = status.st_dev, .inode = status.st_ino};
	search->places = places;
	return 0;
}

static int check_repository(struct search *search, const char *folder) {
	int r = note_place(search, folder);

	if (r != 0)
		return r < 0 ? r : 0;
	r = check_config(search, folder, "config");
	if (r == 0)
		r = check_config(search, folder, "config.worktree");
	return r == 0 ? check_modules(search, folder) : r;
}

static bool is_folder(const char *folder, const char *name) {
	char path[PATH_MAX];
	struct stat status;

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int) sizeof(path) &&
	       stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A branch of a plain name, or a commit: what nobody takes for damage. */
static bool is_good_head(const char *folder) {
	_cleanup_(freep) char *path = NULL, *text = NULL;
	const char *branch;
	size_t size;

	if (asprintf(&path, "%s/HEAD", folder) < 0) {
		path = NULL;
		return false;
	}
	if (small_file_read(path, HEAD_MAX_SIZE, &text, &size) < 0 || strlen(text) != size ||
		size == 0 || text[size - 1] != '\n')
		return false;
	text[--size] = '\0';
	if (strncmp(text, "ref: refs/heads/", 16) != 0)
		return size == HASH_SIZE && strspn(text, HEX) == size;
	branch = text + 15;
	return branch[1] && branch[strspn(branch, BRANCH_LETTERS)] == '\0' &&
	       !strstr(branch, "//") && !strstr(branch, "/.") && !strstr(branch, "..") &&
	       !strstr(branch, ".lock") && !strchr("/.", text[size - 1]);
}

static bool is_repository(const char *folder, const char *common) {
	return is_good_head(folder) && is_folder(common, "objects") && is_folder(common, "refs");
}

/*
 * FOLDER/.git: the repository, or a file that says where it is; and what it shares. 1 if it is
 * one without a doubt, else 0.
 */
static int check_dot_git(struct search *search, const char *folder) {
	_cleanup_(freep) char *repository = NULL, *common = NULL;
	int r = read_link(folder, ".git", "gitdir:", &repository);

	if (r == -EBADMSG)
		return refuse_link(search, folder, ".git");
	if (r == -ENOENT) {
		if (asprintf(&repository, "%s/.git", folder) < 0) {
			repository = NULL;
			return -ENOMEM;
		}
		r = 0;
	}
	if (r == 0)
		r = check_repository(search, repository);
	if (r < 0)
		return r;
	r = read_link(repository, "commondir", "", &common);
	if (r == -EBADMSG)
		return refuse_link(search, repository, "commondir");
	if (r == -ENOENT)
		return !exists(repository, "commondir") && is_repository(repository, repository);
	if (r == 0)
		r = check_repository(search, common);
	return r == 0 ? is_repository(repository, common) : r;
}

/* 1 where the way up ends. */
static int check_place(struct search *search, const char *folder) {
	if (exists(folder, "HEAD") && (exists(folder, "objects") || exists(folder, "commondir")))
		return refuse(search, *folder ? folder : "/",
			"is laid out as a git repository, and cargo would run the programs that "
			"its configuration names before you have approved anything; publish from "
			"a copy of the package that lies elsewhere");
	return check_dot_git(search, folder);
}

static int check_above(struct search *search, const char *folder) {
	_cleanup_(freep) char *path = strdup(folder);
	int r = path ? 0 : -ENOMEM;

	while (r == 0) {
		char *slash = strrchr(path, '/');

		r = check_place(search, path);
		if (!slash)
			break;
		*slash = '\0';
	}
	return r < 0 ? r : 0;
}

static int check_below(struct search *search, const char *folder) {
	_cleanup_(freep) char *root = strdup(folder);
	char *roots[] = {root, NULL};
	FTSENT *entry;
	FTS *walk;
	int r = 0;

	walk = root ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL) : NULL;
	if (!walk)
		return -ENOMEM;
	while (r >= 0 && (entry = fts_read(walk))) {
		r = count(search, entry->fts_path);
		if (r < 0 || strcmp(entry->fts_name, ".git") != 0 || entry->fts_info == FTS_DP)
			continue;
		(void) fts_set(walk, entry, FTS_SKIP);
		entry->fts_path[entry->fts_pathlen - strlen("/.git")] = '\0';
		r = check_dot_git(search, entry->fts_path);
		entry->fts_path[entry->fts_pathlen - strlen("/.git")] = '/';
	}
	(void) fts_close(walk);
	return r < 0 ? r : 0;
}

/* By both of its names, should one of its folders be a link. */
static int check_folder(struct search *search, const char *folder, bool goes_down) {
	_cleanup_(freep) char *real = realpath(folder, NULL);
	int r = check_above(search, folder);

	if (r == 0 && real && strcmp(real, folder) != 0)
		r = check_above(search, real);
	return r == 0 && goes_down ? check_below(search, real ? real : folder) : r;
}

static bool is_inside(const char *folder, const char *root) {
	size_t size = strlen(root);

	return strncmp(folder, root, size) == 0 && (folder[size] == '/' || folder[size] == '\0');
}

int project_git_check(const struct workspace *workspace, char **ret_error) {
	_cleanup_(search_done) struct search search = {
		.own = git_filters_load_own(), .ret_error = ret_error};
	const char *manifest;
	size_t index = 0;
	int r;

	if (!search.own)
		return -ENOMEM;
	r = check_folder(&search, workspace->root, true);
	while (r == 0 && (manifest = workspace_next_manifest(workspace, &index))) {
		const char *slash = strrchr(manifest, '/');
		_cleanup_(freep) char *folder = NULL;

		folder = slash ? strndup(manifest, (size_t) (slash - manifest)) : NULL;
		if (!folder)
			return slash ? -ENOMEM : 0;
		r = check_folder(&search, folder, !is_inside(folder, workspace->root));
	}
	return r;
}
