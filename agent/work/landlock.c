/*
 * kdf, ask-terminal, import, seal, inspect, sign and watch open no file at all; net and keyring
 * only read the system's directories, not the user's. There is no wrapper in libc for these calls.
 */

#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/cleanup.h"

/* Newer than the headers of Debian 12 (Linux 6.1). Values from linux/landlock.h of 6.12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr as of ABI 6; older kernels take a shorter one. */
struct landlock_ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Lets `path` and what lies below it be read; that it does not exist here is fine. */
static int landlock_allow_reading(int ruleset, const char *path) {
	struct stat status;
	_cleanup_(fd_closep) int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		return 0;
	struct landlock_path_beneath_attr rule = {
		.allowed_access =
			S_ISDIR(status.st_mode) ? READ_ACCESS : LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = fd,
	};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

/*
 * Where the system keeps what a look-up and a TLS handshake read: not the home
 * directory. The single files may be links to anywhere.
 */
static int landlock_allow_system(int ruleset) {
	static const char *const paths[] = {"/etc", "/usr", "/lib", "/lib32", "/lib64",
		"/run/systemd", "/run/resolvconf", "/run/NetworkManager", "/run/current-system",
		"/var/lib", "/nix/store", "/gnu/store", "/proc/self", "/proc/sys",
		"/sys/devices/system/cpu", "/dev/urandom", "/etc/resolv.conf", "/etc/hosts",
		"/etc/nsswitch.conf", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"};

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		int r = landlock_allow_reading(ruleset, paths[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* All that Landlock of this age can forbid to the profile. */
static struct landlock_ruleset landlock_rules(enum sandbox sandbox, long abi) {
	struct landlock_ruleset rules = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1, /* ABI 1: bits 0 to 12 */
	};

	if (abi >= 2)
		rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rules.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		rules.handled_access_fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (abi >= 4) {
		rules.handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP;
		if (sandbox != SANDBOX_NET)
			rules.handled_access_net |= LANDLOCK_ACCESS_NET_CONNECT_TCP;
	}
	if (abi >= 6)
		rules.scoped = LANDLOCK_SCOPE_SIGNAL;
	/* A session's bus may have an abstract address. */
	if (abi >= 6 && sandbox != SANDBOX_KEYRING)
		rules.scoped |= LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET;
	return rules;
}

static size_t landlock_ruleset_size(long abi) {
	if (abi >= 6)
		return sizeof(struct landlock_ruleset);
	return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

int landlock_enter(enum sandbox sandbox) {
	if (sandbox == SANDBOX_ASK_PROGRAM)
		return 0;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return 0; /* Not in this kernel, or switched off at boot. */

	struct landlock_ruleset rules = landlock_rules(sandbox, abi);
	_cleanup_(fd_closep) int ruleset =
		(int) syscall(SYS_landlock_create_ruleset, &rules, landlock_ruleset_size(abi), 0);
	if (ruleset < 0)
		return -errno;
	if (sandbox == SANDBOX_NET || sandbox == SANDBOX_KEYRING) {
		int r = landlock_allow_system(ruleset);
		if (r < 0)
			return r;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return -errno;
	return 0;
}
