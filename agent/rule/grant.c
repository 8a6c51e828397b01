#include "grant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/cleanup.h"

/* More than a workspace has; a bound for a program that asks for ever new names. */
#define RELEASES_MAX 1024

struct grant {
	struct grant *next, **link;
	sd_event_source *watch;
	char *url;
	char *account;
	struct peer cargo;
	uint64_t until_usec;
	int terminal;
	/* "crate@version" of each release so far. */
	char **releases;
	size_t n_releases;
};

static struct grant *grant_free(struct grant *grant) {
	if (!grant)
		return NULL;
	if (grant->link) {
		*grant->link = grant->next;
		if (grant->next)
			grant->next->link = grant->link;
	}
	sd_event_source_disable_unref(grant->watch);
	for (size_t i = 0; i < grant->n_releases; i++)
		free(grant->releases[i]);
	free(grant->releases);
	free(grant->url);
	free(grant->account);
	peer_done(&grant->cargo);
	(void) fd_close(grant->terminal);
	free(grant);
	return NULL;
}
DEFINE_CLEANUP(struct grant, grant_free)

static int remember_release(struct grant *grant, const char *crate, const char *version) {
	_cleanup_(freep) char *release = NULL;
	char **releases;

	if (grant->n_releases >= RELEASES_MAX)
		return -E2BIG;
	if (asprintf(&release, "%s@%s", crate, version) < 0)
		return -ENOMEM;
	releases = reallocarray(grant->releases, grant->n_releases + 1, sizeof(*releases));
	if (!releases)
		return -ENOMEM;
	grant->releases = releases;
	grant->releases[grant->n_releases++] = TAKE_PTR(release);
	return 0;
}

/* Where it stands among the releases; n_releases if it does not. */
static size_t find_release(const struct grant *grant, const char *crate, const char *version) {
	size_t size = strlen(crate), i;

	for (i = 0; i < grant->n_releases; i++) {
		const char *release = grant->releases[i];

		if (strncmp(release, crate, size) == 0 && release[size] == '@' &&
			strcmp(release + size + 1, version) == 0)
			break;
	}
	return i;
}

static int grant_on_cargo_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	(void) source;
	(void) fd;
	(void) revents;
	grant_free(userdata);
	return 0;
}

int grant_add(struct grant **grants, sd_event *event, const char *url, const char *account,
	struct peer cargo, const char *crate, const char *version, int terminal,
	uint64_t now_usec) {
	_cleanup_(grant_freep) struct grant *grant = NULL;
	int r;

	grant = calloc(1, sizeof(*grant));
	if (!grant) {
		peer_done(&cargo);
		return -ENOMEM;
	}
	grant->cargo = cargo;
	grant->terminal = terminal >= 0 ? fcntl(terminal, F_DUPFD_CLOEXEC, 3) : -1;
	grant->until_usec = now_usec + GRANT_USEC;
	grant->url = strdup(url);
	grant->account = strdup(account);
	if (!grant->url || !grant->account)
		return -ENOMEM;
	r = remember_release(grant, crate, version);
	if (r < 0)
		return r;
	r = sd_event_add_io(
		event, &grant->watch, grant->cargo.pidfd, EPOLLIN, grant_on_cargo_end, grant);
	if (r < 0)
		return r;
	grant->next = *grants;
	grant->link = grants;
	if (grant->next)
		grant->next->link = &grant->next;
	*grants = TAKE_PTR(grant);
	return 0;
}

static bool is_over(const struct grant *grant, uint64_t now_usec) {
	return now_usec >= grant->until_usec || !peer_is_alive(&grant->cargo);
}

unsigned grant_count(struct grant **grants, uint64_t now_usec) {
	unsigned n = 0;

	while (*grants) {
		if (is_over(*grants, now_usec)) {
			grant_free(*grants);
		} else {
			grants = &(*grants)->next;
			n++;
		}
	}
	return n;
}

void grant_drop_all(struct grant **grants) {
	while (*grants)
		grant_free(*grants);
}

static bool matches(const struct grant *grant, const char *url, const char *account,
	const struct peer *cargo) {
	return strcmp(grant->url, url) == 0 && strcmp(grant->account, account) == 0 &&
		peer_is_same(&grant->cargo, cargo);
}

enum grant_answer grant_use(struct grant **grants, const char *url, const char *account,
	const struct peer *cargo, const char *crate, const char *version, uint64_t now_usec,
	int *ret_terminal) {
	(void) grant_count(grants, now_usec); /* For what it drops. */
	for (struct grant **link = grants; *link; link = &(*link)->next) {
		struct grant *grant = *link;

		if (!matches(grant, url, account, cargo))
			continue;
		if (find_release(grant, crate, version) < grant->n_releases) {
			*ret_terminal = TAKE_FD(grant->terminal);
			grant_free(grant);
			return GRANT_REPEATED;
		}
		if (remember_release(grant, crate, version) < 0) {
			grant_free(grant);
			return GRANT_NONE;
		}
		*ret_terminal = grant->terminal >= 0
			? fcntl(grant->terminal, F_DUPFD_CLOEXEC, 3)
			: -1;
		return GRANT_COVERED;
	}
	return GRANT_NONE;
}

void grant_take_back(struct grant **grants, const char *url, const char *account,
	const struct peer *cargo, const char *crate, const char *version) {
	for (struct grant *grant = *grants; grant; grant = grant->next) {
		size_t i;

		if (!matches(grant, url, account, cargo))
			continue;
		i = find_release(grant, crate, version);
		if (i == grant->n_releases)
			continue;
		free(grant->releases[i]);
		grant->releases[i] = grant->releases[--grant->n_releases];
	}
}
