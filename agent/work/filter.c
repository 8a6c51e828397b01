/*
 * All profiles but one are lists of the system calls that they may make; any other gets
 * EPERM. Calls by which a process takes hold of another, starts a program or
 * changes the machine are no accident and end the worker at once. The profile that
 * runs a dialogue program cannot know what that program needs, so it forbids only
 * the calls by which it could take hold of others.
 */

#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <seccomp.h>

#include "protocol/cleanup.h"

/* Calls that each listed profile needs. */
#define KDF (1u << SANDBOX_KDF)
#define TERMINAL (1u << SANDBOX_ASK_TERMINAL)
#define NET (1u << SANDBOX_NET)
#define IMPORT (1u << SANDBOX_IMPORT)
#define KEYRING (1u << SANDBOX_KEYRING)
#define WATCH (1u << SANDBOX_WATCH)
#define SEAL (1u << SANDBOX_SEAL)
#define INSPECT (1u << SANDBOX_INSPECT)
#define SIGN (1u << SANDBOX_SIGN)
#define ALL (KDF | TERMINAL | NET | IMPORT | KEYRING | WATCH | SEAL | INSPECT | SIGN)

static const struct {
	int call;
	unsigned profiles;
} allowed_calls[] = {
	/* Memory, time, signals, the end; locked memory comes and goes with secrets. */
	{SCMP_SYS(brk), ALL},
	{SCMP_SYS(munmap), ALL},
	{SCMP_SYS(mremap), ALL},
	{SCMP_SYS(madvise), ALL},
	{SCMP_SYS(mlock), ALL},
	{SCMP_SYS(mlock2), ALL},
	{SCMP_SYS(munlock), ALL},
	{SCMP_SYS(getrandom), ALL},
	{SCMP_SYS(clock_gettime), ALL},
	{SCMP_SYS(clock_gettime64), ALL},
	{SCMP_SYS(gettimeofday), ALL},
	{SCMP_SYS(time), ALL},
	{SCMP_SYS(getpid), ALL},
	{SCMP_SYS(gettid), ALL},
	{SCMP_SYS(rt_sigaction), ALL},
	{SCMP_SYS(rt_sigprocmask), ALL},
	{SCMP_SYS(rt_sigreturn), ALL},
	{SCMP_SYS(restart_syscall), ALL},
	{SCMP_SYS(futex), ALL},
	{SCMP_SYS(futex_time64), ALL},
	{SCMP_SYS(exit), ALL},
	{SCMP_SYS(exit_group), ALL},

	/* Descriptors that are open already: the core's socket, standard error, the terminal. */
	{SCMP_SYS(read), ALL},
	{SCMP_SYS(write), ALL},
	{SCMP_SYS(writev), ALL},
	{SCMP_SYS(close), ALL},
	{SCMP_SYS(fstat), ALL},
	{SCMP_SYS(fstat64), ALL},
	{SCMP_SYS(sendmsg), ALL},
	{SCMP_SYS(fcntl), ALL},
	{SCMP_SYS(fcntl64), ALL},
	{SCMP_SYS(poll), TERMINAL | NET | KEYRING | WATCH},
	{SCMP_SYS(ppoll), TERMINAL | NET | KEYRING | WATCH},
	{SCMP_SYS(ppoll_time64), TERMINAL | NET | KEYRING | WATCH},

	/* Files of the system: name service, certificates, OpenSSL's configuration. */
	{SCMP_SYS(access), NET | KEYRING},
	{SCMP_SYS(faccessat), NET | KEYRING},
	{SCMP_SYS(faccessat2), NET | KEYRING},
	{SCMP_SYS(stat), NET | KEYRING},
	{SCMP_SYS(lstat), NET | KEYRING},
	{SCMP_SYS(newfstatat), NET | KEYRING},
	{SCMP_SYS(fstatat64), NET | KEYRING},
	{SCMP_SYS(statx), NET | KEYRING},
	{SCMP_SYS(readlink), NET | KEYRING},
	{SCMP_SYS(readlinkat), NET | KEYRING},
	{SCMP_SYS(getcwd), NET | KEYRING},
	{SCMP_SYS(getdents64), NET | KEYRING},
	{SCMP_SYS(lseek), NET | KEYRING},
	{SCMP_SYS(_llseek), NET | KEYRING},
	{SCMP_SYS(pread64), NET | IMPORT | KEYRING | SEAL | INSPECT},
	{SCMP_SYS(readv), NET | KEYRING},
	{SCMP_SYS(dup), NET | KEYRING},

	/* The network. */
	{SCMP_SYS(connect), NET | KEYRING},
	{SCMP_SYS(bind), NET}, /* Name look-ups bind a netlink socket. */
	{SCMP_SYS(getsockname), NET | KEYRING},
	{SCMP_SYS(getpeername), NET | KEYRING},
	{SCMP_SYS(getsockopt), NET | KEYRING},
	{SCMP_SYS(setsockopt), NET | KEYRING},
	{SCMP_SYS(sendto), NET | KEYRING},
	{SCMP_SYS(sendmmsg), NET},
	{SCMP_SYS(send), NET | KEYRING},
	{SCMP_SYS(recvfrom), NET | KEYRING | WATCH},
	{SCMP_SYS(recvmsg), NET | KEYRING | WATCH},
	{SCMP_SYS(recvmmsg), NET},
	{SCMP_SYS(recv), NET | KEYRING | WATCH},
	{SCMP_SYS(shutdown), NET | KEYRING},
	{SCMP_SYS(socketpair), NET | KEYRING}, /* libcurl wakes itself up with these three. */
	{SCMP_SYS(pipe2), NET | KEYRING},
	{SCMP_SYS(eventfd2), NET | KEYRING},
	{SCMP_SYS(select), NET},
	{SCMP_SYS(_newselect), NET},
	{SCMP_SYS(pselect6), NET},

	/* The thread in which libcurl looks names up. */
	{SCMP_SYS(set_robust_list), NET | KEYRING},
	{SCMP_SYS(rseq), NET | KEYRING},
	{SCMP_SYS(membarrier), NET | KEYRING},
	{SCMP_SYS(sigaltstack), NET | KEYRING},
	{SCMP_SYS(sched_getaffinity), NET | KEYRING},
	{SCMP_SYS(sched_yield), NET | KEYRING},
	{SCMP_SYS(nanosleep), NET | KEYRING},
	{SCMP_SYS(clock_nanosleep), NET | KEYRING},
	{SCMP_SYS(uname), NET | KEYRING},
	{SCMP_SYS(sysinfo), NET | KEYRING},
	{SCMP_SYS(getuid), NET | KEYRING},
	{SCMP_SYS(geteuid), NET | KEYRING},
	{SCMP_SYS(getgid), NET | KEYRING},
	{SCMP_SYS(getegid), NET | KEYRING},
};

/* No profile has business with these, and a failure of one is not worth going on after. */
static const int foreign_calls[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(open_by_handle_at),
};
static const int exec_calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat)};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static void filter_freep(scmp_filter_ctx *filter) {
	if (*filter)
		seccomp_release(*filter);
}

static int filter_add_calls(
	scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n_calls) {
	for (size_t i = 0; i < n_calls; i++) {
		int r = seccomp_rule_add(filter, action, calls[i], 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ioctl only for one request each: among the others is TIOCSTI, which types for the user. */
static int filter_add_ioctls(scmp_filter_ctx filter, const unsigned long *requests, size_t n) {
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1_32(SCMP_CMP_EQ, (uint32_t) requests[i], 0));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Private memory that never becomes code. */
static int filter_add_plain_memory(scmp_filter_ctx filter) {
	static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};

	for (size_t i = 0; i < N_ELEMENTS(calls); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Opening, but not to write, make or cut anything. */
static int filter_add_reading(scmp_filter_ctx filter) {
	const uint64_t writing =
		O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);

	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	if (r < 0)
		return r;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
		SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

/*
 * Sockets of the internet, and netlink for getaddrinfo. Not AF_UNIX: the session
 * bus and our own agent listen there. glibc then looks names up in files and DNS,
 * as it does where no such service runs.
 */
static int filter_add_sockets(scmp_filter_ctx filter) {
	static const unsigned families[] = {AF_INET, AF_INET6, AF_NETLINK};

	for (size_t i = 0; i < N_ELEMENTS(families); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, families[i], 0));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Sockets of this machine: the session's bus. */
static int filter_add_local_sockets(scmp_filter_ctx filter) {
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
}

/*
 * Threads, but no processes. clone3 hides its flags from a filter; told that it
 * does not exist, glibc takes clone.
 */
static int filter_add_threads(scmp_filter_ctx filter) {
	const uint64_t thread = CLONE_VM | CLONE_THREAD;

	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r < 0)
		return r;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
}

static int filter_add_net(scmp_filter_ctx filter) {
	static const unsigned long requests[] = {FIONBIO, FIONREAD};
	/* Name service modules are loaded when the first name is looked up: code is mapped. */
	static const int code[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};

	int r = filter_add_calls(filter, SCMP_ACT_ALLOW, code, N_ELEMENTS(code));
	if (r < 0)
		return r;
	r = filter_add_ioctls(filter, requests, N_ELEMENTS(requests));
	if (r < 0)
		return r;
	r = filter_add_reading(filter);
	if (r < 0)
		return r;
	r = filter_add_sockets(filter);
	if (r < 0)
		return r;
	return filter_add_threads(filter);
}

static int filter_add_keyring(scmp_filter_ctx filter) {
	int r = filter_add_plain_memory(filter);
	if (r < 0)
		return r;
	r = filter_add_reading(filter);
	if (r < 0)
		return r;
	r = filter_add_local_sockets(filter);
	if (r < 0)
		return r;
	return filter_add_threads(filter);
}

static int filter_add_terminal(scmp_filter_ctx filter) {
	static const unsigned long requests[] = {TCGETS, TCSETS, TCSETSW, TCSETSF, TCFLSH};

	int r = filter_add_ioctls(filter, requests, N_ELEMENTS(requests));
	if (r < 0)
		return r;
	return filter_add_plain_memory(filter);
}

/* raise and abort send a signal to ourselves; nobody else gets one. */
static int filter_add_own_signals(scmp_filter_ctx filter) {
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) getpid(), 0));
}

static int filter_add_profile(scmp_filter_ctx filter, enum sandbox sandbox) {
	for (size_t i = 0; i < N_ELEMENTS(allowed_calls); i++) {
		if (!(allowed_calls[i].profiles & (1u << sandbox)))
			continue;
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i].call, 0);
		if (r < 0)
			return r;
	}
	int r = filter_add_own_signals(filter);
	if (r < 0)
		return r;

	switch (sandbox) {
	case SANDBOX_KDF:
	case SANDBOX_IMPORT:
	case SANDBOX_SEAL:
	case SANDBOX_INSPECT:
	case SANDBOX_SIGN:
	case SANDBOX_WATCH:
		return filter_add_plain_memory(filter);
	case SANDBOX_ASK_TERMINAL:
		return filter_add_terminal(filter);
	case SANDBOX_NET:
		return filter_add_net(filter);
	case SANDBOX_KEYRING:
		return filter_add_keyring(filter);
	case SANDBOX_ASK_PROGRAM:
	case _SANDBOX_MAX:
		break;
	}
	return -EINVAL;
}

/* The filter of a profile that lists what it needs. */
static int filter_add_rules(scmp_filter_ctx filter, enum sandbox sandbox) {
	int r = filter_add_profile(filter, sandbox);
	if (r < 0)
		return r;
	r = filter_add_calls(
		filter, SCMP_ACT_KILL_PROCESS, foreign_calls, N_ELEMENTS(foreign_calls));
	if (r < 0)
		return r;
	return filter_add_calls(filter, SCMP_ACT_KILL_PROCESS, exec_calls, N_ELEMENTS(exec_calls));
}

/* No kernel that Debian ships is without it, but valgrind knows no such call. */
static bool filter_is_possible(void) {
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 || errno != ENOSYS;
}

int filter_enter(enum sandbox sandbox) {
	if (!filter_is_possible())
		return 0;

	/* A dialogue program is a stranger with excuses: it is told no, not killed. */
	bool is_list = sandbox != SANDBOX_ASK_PROGRAM;
	_cleanup_(filter_freep) scmp_filter_ctx filter =
		seccomp_init(is_list ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;

	int r = is_list ? filter_add_rules(filter, sandbox)
			: filter_add_calls(filter, SCMP_ACT_ERRNO(EPERM), foreign_calls,
				  N_ELEMENTS(foreign_calls));
	if (r < 0)
		return r;
	return seccomp_load(filter);
}
