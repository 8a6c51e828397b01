#include "kind.h"

#include <assert.h>
#include <string.h>

static const struct kind_row rows[] = {
	[KIND_GET] = {"get", .has_registry = true},
	[KIND_LOGIN] = {"login", .has_registry = true},
	[KIND_LOGOUT] = {"logout"},
	[KIND_INIT] = {"init"},
	[KIND_LIST] = {"list"},
	[KIND_STATUS] = {"status"},
	[KIND_LOCK] = {"lock"},
	[KIND_UNLOCK] = {"unlock"},
	[KIND_PASSWD] = {"passwd"},
	[KIND_MOVE] = {"move"},
	[KIND_TRUST] = {"trust", .has_registry = true},
	[KIND_IMPORT] = {"import"},
	[KIND_SEAL] = {"seal", .has_registry = true},
	[KIND_PROPOSE] = {"propose"},
	[KIND_VERIFY] = {"verify"},
	[KIND_PUBLISH] = {"publish"},
	[KIND_AWAIT] = {"await"},
	[KIND_YANK] = {"yank", .has_registry = true},
	[KIND_UNYANK] = {"unyank", .has_registry = true},
	[KIND_OWNER] = {"owner", .has_registry = true},
	[KIND_REVOKE] = {"revoke", .has_registry = true},
	[KIND_CHECK] = {"check", .has_registry = true},
	[KIND_KEY] = {"key", .has_registry = true},
};
static_assert(sizeof(rows) / sizeof(rows[0]) == _KIND_MAX, "a row for each kind");

static const char *const operations[] = {
	[OPERATION_READ] = "read",
	[OPERATION_PUBLISH] = "publish",
	[OPERATION_YANK] = "yank",
	[OPERATION_UNYANK] = "unyank",
	[OPERATION_OWNERS] = "owners",
};
static_assert(sizeof(operations) / sizeof(operations[0]) == _OPERATION_MAX, "all named");

const struct kind_row *kind_row(enum kind kind) {
	return &rows[kind];
}

enum kind kind_from_name(const char *name) {
	for (int i = 0; i < _KIND_MAX; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return (enum kind) i;
	}
	return _KIND_INVALID;
}

const char *operation_name(enum operation operation) {
	return operations[operation];
}

enum operation operation_from_name(const char *name) {
	for (int i = 0; i < _OPERATION_MAX; i++) {
		if (strcmp(operations[i], name) == 0)
			return (enum operation) i;
	}
	return _OPERATION_INVALID;
}

bool operation_has_crate(enum operation operation) {
	return operation != OPERATION_READ;
}

bool operation_has_version(enum operation operation) {
	return operation_has_crate(operation) && operation != OPERATION_OWNERS;
}

bool operation_has_checksum(enum operation operation) {
	return operation == OPERATION_PUBLISH;
}
