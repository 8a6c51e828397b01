#pragma once

/* The kinds of request that the socket takes, and the operations of `get`. */

#include <stdbool.h>

enum kind {
	KIND_GET,
	KIND_LOGIN,
	KIND_LOGOUT,
	KIND_INIT,
	KIND_LIST,
	KIND_STATUS,
	KIND_LOCK,
	KIND_UNLOCK,
	KIND_PASSWD,
	KIND_MOVE,
	KIND_TRUST,
	KIND_IMPORT,
	KIND_SEAL,
	KIND_PROPOSE,
	KIND_VERIFY,
	KIND_PUBLISH,
	KIND_AWAIT,
	KIND_YANK,
	KIND_UNYANK,
	KIND_OWNER,
	KIND_REVOKE,
	KIND_CHECK,
	KIND_KEY,
	_KIND_MAX,
	_KIND_INVALID = -1,
};

/* What cargo wants a token for (cargo-credential, lib.rs, enum Operation). */
enum operation {
	OPERATION_READ,
	OPERATION_PUBLISH,
	OPERATION_YANK,
	OPERATION_UNYANK,
	OPERATION_OWNERS,
	_OPERATION_MAX,
	_OPERATION_INVALID = -1,
};

struct kind_row {
	const char *name;
	/* The request names a registry: `registry.index-url` must be there. */
	bool has_registry;
};

const struct kind_row *kind_row(enum kind kind);
/* _KIND_INVALID, _OPERATION_INVALID for a name that we do not know. */
enum kind kind_from_name(const char *name);
const char *operation_name(enum operation operation);
enum operation operation_from_name(const char *name);
/* What it is about: a crate, a version of it, the checksum of that. */
bool operation_has_crate(enum operation operation);
bool operation_has_version(enum operation operation);
bool operation_has_checksum(enum operation operation);
