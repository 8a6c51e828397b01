#pragma once

/* One request, typed: from a line of JSON, or to one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "kind.h"
#include "refusal.h"

struct json_writer;
struct secret;

/* Longest request line, its newline included. */
#define REQUEST_MAX (64 * 1024)

/* Where the client found the registry's URL; decides what a login has to ask. */
enum url_source {
	URL_SOURCE_UNKNOWN, /* cargo does not say */
	URL_SOURCE_GIVEN,   /* --index on the command line, or crates.io, which is built in */
	URL_SOURCE_USER,    /* the user's own cargo configuration */
	URL_SOURCE_PROJECT, /* a file of the project */
	URL_SOURCE_ENVIRONMENT,
	_URL_SOURCE_MAX,
	_URL_SOURCE_INVALID = -1,
};

/* What `key` does to the key of an account. */
enum key_change {
	KEY_SHOW,   /* nothing */
	KEY_ROTATE, /* makes the next one beside it */
	KEY_FINISH, /* puts the next one in its place */
	KEY_CANCEL, /* forgets the next one */
	KEY_SET,    /* keeps it, and changes what its tokens claim */
	_KEY_CHANGE_MAX,
	_KEY_CHANGE_INVALID = -1,
};

/* A version of a crate. */
struct request_release {
	char *crate;
	char *version;
};

/* How many versions one request names, and how many logins in each of its lists (crates.io takes 10). */
#define RELEASES_IN_REQUEST_MAX 64
#define LOGINS_IN_REQUEST_MAX 10

/* The wire's: a 32-bit length (cargo, crates-io/lib.rs). */
#define CRATE_SIZE_MAX INT64_C(0xffffffff)

/* Texts are NULL where the request has none. */
struct request {
	enum kind kind;

	char *index_url; /* as sent, unchecked */
	char *registry_name;
	bool has_headers; /* the index answered 401 before */
	char *challenge;  /* that it gave there, valid; or NULL */
	char *account;    /* valid account name */

	enum operation operation;
	/* Checked: crate name, semver (raw text for yank is checked too), sha256. */
	char *crate;
	char *version;
	char *checksum;

	/* login; trust and the network's members too */
	struct secret *token;
	char *login_url;
	enum url_source url_source;
	char *url_file; /* the configuration file or variable */
	char *api;
	char *ca_pem;
	char *ca_file; /* where ca_pem was read, to be shown */
	char *proxy;
	bool allow_http;
	bool for_read;	/* a credential for reads alone; logout, revoke and key too */
	bool no_check;	/* ask neither the index nor the registry */
	bool replace;	/* a token that is there may go */
	int64_t expires; /* Unix time, as the person told it; 0: not told */
	char *scope;	 /* as told */
	char *crates;	 /* as told */
	/* The token stands under this key in a file sent with the request, `registries.corp.token`. */
	char *secret_in_file;
	/* cargo keeps the token in the keyring under this URL, as it wrote it. */
	char *secret_in_keyring;

	/* The account signs its requests: with a key that is made, or came instead of a token. */
	bool is_asymmetric;
	char *subject;	/* checked: what each of its tokens claims to come from */
	bool wants_kid; /* the footer names the key as RFC 3231 does, not as cargo */
	/* Of `key` alone: they claim no subject any more; the footer's name was said. */
	bool no_subject;
	bool has_footer_key;

	/* key */
	enum key_change key_change;

	/* logout */
	bool all;

	/* init */
	char *store;
	bool no_passphrase;

	/* import: from cargo's items in the keyring; the URL of one to remove, or NULL */
	bool from_keyring;
	char *wipe;

	/* move: the name of a medium that lasts */
	char *to;

	/* seal: the largest file that is taken, in bytes; 0: as the registry's kind has it */
	int64_t size_max;
	/* propose: a verify build follows; look at all and ask nobody; what is listed already is done */
	bool will_verify;
	bool is_dry_run;
	bool may_resume;
	/* Lines of progress may come before the answer. */
	bool wants_progress;

	/* yank, unyank: each name and version checked */
	struct request_release *releases;
	size_t n_releases;

	/* owner: logins, checked, as lists ended by NULL; NULL where there are none */
	char **add;
	char **remove;

	/* revoke: locally it goes in any case */
	bool forget;

	/* login, init, unlock, passwd: the secret comes through a pipe sent with the request. */
	bool secret_in_pipe;
};

/*
 * Reads one line (without its newline). Returns 0 and *ret (caller frees), or
 * a positive enum refusal: the request is refused and *ret untouched.
 * REFUSAL_BAD_REQUEST and REFUSAL_BAD_VERSION mean that nothing of the peer
 * makes sense: answer and close. A negative errno is our own failure.
 */
int request_parse(const char *line, size_t size, struct request **ret);

/* A regular file may be sent along. */
bool request_takes_file(const struct request *request);

struct request *request_new(enum kind kind);
struct request *request_free(struct request *request);
DEFINE_CLEANUP(struct request, request_free)

/*
 * Writes the request as one line. Clients never hold a token, so none is written.
 * Errors stick in the writer.
 */
void request_write(struct json_writer *writer, const struct request *request);

const char *url_source_name(enum url_source source);
/* 0 and *ret, or -EBADMSG for a name that we do not know. */
int url_source_from_name(const char *name, enum url_source *ret);
const char *key_change_name(enum key_change change);
/* _KEY_CHANGE_INVALID for a name that we do not know. */
enum key_change key_change_from_name(const char *name);
