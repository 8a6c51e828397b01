#pragma once

/*
 * What a worker can still do once it has its task: each profile keeps only what
 * the work needs, by a seccomp filter and, where the kernel has it, Landlock.
 */

/* A sanitizer's own calls (its tracer thread at exit, above all) are in no profile. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_IS_BUILT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_IS_BUILT 0
#endif
#endif
#ifndef SANDBOX_IS_BUILT
#define SANDBOX_IS_BUILT 1
#endif

enum sandbox {
	SANDBOX_KDF,	      /* computes; no file, no network, no exec */
	SANDBOX_ASK_TERMINAL, /* reads and writes one terminal; no file, no network, no exec */
	SANDBOX_ASK_PROGRAM,  /* runs a dialogue program, which inherits what is forbidden here */
	SANDBOX_NET,	      /* TCP and UDP, reads the system's files; no write, no exec */
	SANDBOX_IMPORT,	      /* reads one file that is open; no other, no network, no exec */
	SANDBOX_KEYRING,      /* sockets of this machine, reads the system's files; no write, no exec */
	SANDBOX_SEAL,	      /* copies one open file into another; no other, no network */
	SANDBOX_INSPECT,      /* as SEAL, and has only so much memory: it unpacks */
	SANDBOX_SIGN,	      /* computes, as KDF */
	SANDBOX_WATCH,	      /* speaks over a connection that stands; no file, no other, no exec */
	_SANDBOX_MAX,
};

/*
 * Shuts the process in for the rest of its life. Call it with one thread and
 * with no_new_privs set. Returns 0, or a negative errno: do not go on then.
 * A kernel that lacks Landlock or seccomp filters, or has older ones, is no
 * failure: the rest then stands alone.
 */
int sandbox_enter(enum sandbox sandbox);
