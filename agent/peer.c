#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SO_PEERPIDFD /* Linux 6.5; Debian 12's headers are older. */
#define SO_PEERPIDFD 77
#endif

#define N_GENERATIONS 4

static int open_pidfd(pid_t pid) {
	/* The descriptor is close-on-exec by itself (pidfd_open(2)). */
	int fd = (int) syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int peer_read(int socket, struct peer *ret) {
	struct peer peer = PEER_NULL;
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	peer.uid = credentials.uid;
	peer.pid = credentials.pid;
	size = sizeof(peer.pidfd);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &peer.pidfd, &size) < 0)
		/* Before 6.5 the pid may be another's by now; it informs, no more. */
		peer.pidfd = peer.pid > 0 ? open_pidfd(peer.pid) : -1;
	*ret = peer;
	return 0;
}

void peer_done(struct peer *peer) {
	peer->pidfd = fd_close(peer->pidfd);
}

bool peer_is_alive(const struct peer *peer) {
	struct pollfd event = {.fd = peer->pidfd, .events = POLLIN};

	/* A pidfd becomes readable when its process ends. */
	return peer->pidfd >= 0 && poll(&event, 1, 0) == 0;
}

/* Reads a small file of /proc; 0 and a terminated text. */
static int read_proc(pid_t pid, const char *name, char *ret, size_t size) {
	_cleanup_(fd_closep) int fd = -1;
	char path[64];
	ssize_t n;

	(void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static int parent_pid(pid_t pid, pid_t *ret) {
	char stat[512], *p;
	long parent;
	int r;

	r = read_proc(pid, "stat", stat, sizeof(stat));
	if (r < 0)
		return r;
	/* "pid (comm) S ppid …", and comm may hold anything, `)` too. */
	p = strrchr(stat, ')');
	if (!p || strlen(p) < 4)
		return -ESRCH;
	parent = strtol(p + 4, NULL, 10);
	if (parent <= 1 || parent > INT_MAX)
		return -ESRCH;
	*ret = (pid_t) parent;
	return 0;
}

int peer_parent(const struct peer *peer, struct peer *ret) {
	struct peer parent = PEER_NULL;
	pid_t again;
	int r;

	r = parent_pid(peer->pid, &parent.pid);
	if (r < 0)
		return r;
	parent.pidfd = open_pidfd(parent.pid);
	if (parent.pidfd < 0)
		return parent.pidfd;
	/*
	 * If the child still runs and still has this parent, then the pid was the
	 * parent's all the while, and the descriptor is the parent's too.
	 */
	r = peer_is_alive(peer) ? parent_pid(peer->pid, &again) : -ESRCH;
	if (r < 0 || again != parent.pid) {
		peer_done(&parent);
		return -ESRCH;
	}
	parent.uid = peer->uid;
	*ret = parent;
	return 0;
}

bool peer_is_same(const struct peer *a, const struct peer *b) {
	/* While both descriptors say "alive", a pid cannot have been given away. */
	return a->pid == b->pid && peer_is_alive(a) && peer_is_alive(b);
}

char *peer_describe(const struct peer *peer) {
	char *text = NULL;
	size_t size = 0;
	pid_t pid = peer->pid;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (int i = 0; i < N_GENERATIONS; i++) {
		char comm[32] = "?";

		(void) read_proc(pid, "comm", comm, sizeof(comm)); /* Gone: shown as "?". */
		for (char *c = comm; *c; c++) {
			if (*c == '\n')
				*c = '\0';
			else if (*c < 0x20 || *c > 0x7e)
				*c = '?';
			if (!*c)
				break;
		}
		fprintf(out, "%s%s[%d]", i > 0 ? " <- " : "", comm, (int) pid);
		if (parent_pid(pid, &pid) < 0)
			break;
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
