#pragma once

/*
 * Every way in which the answer can be "no": a stable name (the `code` of an
 * `Err other`), an exit code for command lines, and one sentence that says
 * what to do. Names and exit codes never change their meaning.
 */

#include <stdbool.h>

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_NEEDS = 4, /* a login, an unlock, or a prompt that is not possible */
	EXIT_DENIED = 5,
	EXIT_REGISTRY = 6,
	EXIT_NETWORK = 7,
	EXIT_MISMATCH = 8,
	EXIT_PARTLY = 9,
	EXIT_STORE = 10,
};

enum refusal {
	REFUSAL_NONE,

	/* These three go out as cargo's own error kinds, without a code. */
	REFUSAL_NOT_FOUND,
	REFUSAL_URL_NOT_SUPPORTED,
	REFUSAL_OPERATION_NOT_SUPPORTED,

	/* The request. */
	REFUSAL_BAD_REQUEST,
	REFUSAL_BAD_VERSION,
	REFUSAL_LINE_TOO_LONG,
	REFUSAL_LINE_INCOMPLETE,
	REFUSAL_BAD_DESCRIPTOR,
	REFUSAL_BUSY,
	REFUSAL_ARGUMENT_UNKNOWN,
	REFUSAL_BAD_NAME,
	REFUSAL_BAD_URL,
	REFUSAL_BAD_TOKEN,
	REFUSAL_BAD_PASSPHRASE,
	REFUSAL_TOKEN_SHAPE,
	REFUSAL_READ_NOT_NEEDED,
	REFUSAL_FILE_INVALID,
	REFUSAL_NO_TOKEN_IN_FILE,
	REFUSAL_NO_TOKEN_IN_KEYRING,
	REFUSAL_TOKEN_AMBIGUOUS,
	REFUSAL_TOKEN_DIFFERS,

	/* The store. */
	REFUSAL_NO_STORE,
	REFUSAL_STORE_EXISTS,
	REFUSAL_STORE_GONE,
	REFUSAL_STORE_DAMAGED,
	REFUSAL_STORE_NEWER,
	REFUSAL_STORE_LOOSE,
	REFUSAL_STORE_CHANGED,
	REFUSAL_STORE_OLDER,
	REFUSAL_STORE_FAILED,
	REFUSAL_STORE_UNSURE,
	REFUSAL_STORE_UNAVAILABLE,
	REFUSAL_KEYRING_LOCKED,
	REFUSAL_KEYRING_UNREACHABLE,
	REFUSAL_KEYRING_TIMEOUT,
	REFUSAL_KEYRING_DENIED,
	REFUSAL_STORE_BOUND,
	REFUSAL_LOCKED,
	REFUSAL_WRONG_PASSPHRASE,
	REFUSAL_ACCOUNT_UNKNOWN,
	REFUSAL_ACCOUNT_EXISTS,
	REFUSAL_TOKEN_EXPIRED,
	REFUSAL_READ_AUTH_NOT_AGREED,

	/* The person and the rules. */
	REFUSAL_NEEDS_TERMINAL,
	REFUSAL_DENIED,
	REFUSAL_NOT_GRANTED,
	REFUSAL_RELEASE_REPEATED,
	REFUSAL_PROMPT_TIMEOUT,
	REFUSAL_PROMPT_FAILED,

	/* The registry and the way to it. */
	REFUSAL_PLAIN_HTTP,
	REFUSAL_NEEDS_API,
	REFUSAL_API_ELSEWHERE,
	REFUSAL_NAME_UNTRUSTED,
	REFUSAL_AUTH_REQUIRED,
	REFUSAL_TOKEN_REJECTED,
	REFUSAL_OWNER_LOCKED,
	REFUSAL_ORIGIN_CHANGED,
	REFUSAL_CHECKSUM_DIFFERS,
	REFUSAL_INDEX_INVALID,
	REFUSAL_INDEX_REFUSED,
	REFUSAL_NETWORK,
	REFUSAL_NETWORK_TIMEOUT,
	REFUSAL_TLS,
	REFUSAL_REDIRECT,

	/* Us. */
	REFUSAL_WORKER_FAILED,
	REFUSAL_WORKER_TIMEOUT,
	REFUSAL_AUDIT_FAILED,
	REFUSAL_NO_MEMORY,
	REFUSAL_INTERNAL,

	/* Said by clients themselves. */
	REFUSAL_AGENT_UNREACHABLE,
	REFUSAL_AGENT_FOREIGN,
	REFUSAL_SOCKET_UNSAFE,

	_REFUSAL_MAX,
	_REFUSAL_INVALID = -1,
};

/* Stable name, as in `"code":"locked"`. */
const char *refusal_name(enum refusal refusal);
enum refusal refusal_from_name(const char *name);
/* Is it about the keyring that holds a store? */
bool refusal_is_of_keyring(enum refusal refusal);
enum exit_code refusal_exit_code(enum refusal refusal);
/* One sentence without a line end. */
const char *refusal_sentence(enum refusal refusal);
/*
 * For failures nobody foresaw: REFUSAL_NO_MEMORY for -ENOMEM, _BUSY for
 * -EBUSY, _WORKER_FAILED for -ECHILD (a worker did not start), else _INTERNAL.
 */
enum refusal refusal_from_errno(int error);
