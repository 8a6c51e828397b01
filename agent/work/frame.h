#pragma once

/*
 * Frames between the core and one worker, over a SOCK_SEQPACKET pair: one type
 * byte, then fields. In order: worker `ready`; core `task`, perhaps with
 * descriptors; worker `progress`, any number; worker `answer`, once. To a word of
 * worker-watch that asks for something the core says `done`.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/fields.h"

enum frame_type {
	FRAME_READY = 'r',
	FRAME_TASK = 't',
	FRAME_PROGRESS = 'p',
	FRAME_ANSWER = 'a',
	FRAME_DONE = 'd',
};

/* Tags of all frames. */
enum field {
	FIELD_REFUSAL = 1, /* u64: enum refusal; absent or 0 in a good answer */
	FIELD_DETAIL,	   /* text behind the refusal */

	/* kdf: passphrase, salt, operations, memory in bytes -> key */
	FIELD_PASSPHRASE = 16,
	FIELD_SALT,
	FIELD_OPSLIMIT,
	FIELD_MEMLIMIT,
	FIELD_KEY,

	/*
	 * sign: an errand, perhaps with a key -> the key, or what is public of it; or with a key,
	 * what is public of it, and what is claimed, FIELD_INDEX_URL as it came, and FIELD_CRATE,
	 * FIELD_VERSION and FIELD_CHECKSUM as the operation has them -> FIELD_TOKEN.
	 */
	FIELD_SIGN_ERRAND = 21, /* u64: enum sign_errand */
	FIELD_PASERK,		/* private key, `k3.secret.…`; where one is read, a PEM text, too */
	FIELD_PUBLIC,		/* `k3.public.…` */
	FIELD_PID,		/* `k3.pid.…`, by which a registry finds the public key */
	FIELD_SUBJECT,		/* may be absent */
	FIELD_OPERATION,	/* u64: enum operation */
	FIELD_ISSUED,		/* u64: Unix time that the token says */
	FIELD_CHALLENGE, /* of the registry; may be absent. Of net: with a 401 or 403, also in a refusal */
	FIELD_FOOTER_KEY,	/* u64: enum footer_key */

	/* ask: what kind of question, text above it, prompt; terminal sent along -> secret */
	FIELD_QUESTION = 32, /* u64: enum question */
	FIELD_TEXT,	     /* lines to show first, already cleaned */
	FIELD_PROMPT,	     /* shown as it is, with a space behind it */
	FIELD_PROMPT_AGAIN,  /* for a new passphrase */
	FIELD_EXPECT,	     /* a text that must be typed exactly (a host) */
	FIELD_SECRET, /* for read, too: a pipe sent along -> its first line, or all that it holds */
	FIELD_ASKPASS, /* program to use instead of a terminal */

	/* net: one request; URL, CA, proxy, perhaps a token -> what the errand asks for */
	FIELD_URL = 48,
	FIELD_CA_PEM,
	FIELD_PROXY,
	FIELD_TIMEOUT_MSEC, /* for ask, too */
	FIELD_API,
	FIELD_DL,
	FIELD_AUTH_REQUIRED, /* u64: 0 or 1 */
	FIELD_HTTP_STATUS,
	FIELD_ERRAND,	     /* u64: enum errand; absent: ERRAND_CONFIG */
	FIELD_TOKEN,	     /* goes into Authorization as it is */
	FIELD_CRATE,	     /* ERRAND_CRATE: its name */
	FIELD_VERSION,	     /* ERRAND_CRATE: one to look for; may be absent */
	FIELD_VERDICT,	     /* u64: enum verdict, of ERRAND_PROBE */
	FIELD_IS_NEW,	     /* u64: 1 if the index does not know the crate */
	FIELD_LAST_VERSION,  /* the last one that the index lists */
	FIELD_CHECKSUM,	     /* sha256 that the index has for FIELD_VERSION; absent if not listed */

	/* net, for an act at the API (FIELD_URL is then the pinned API): */
	FIELD_USERS = 64,      /* task: logins, a line each */
	FIELD_OUTCOME,	       /* u64: enum outcome */
	FIELD_CODE,	       /* u64: enum refusal that says why it is not OUTCOME_DONE */
	FIELD_HINT,	       /* u64: enum hint */
	FIELD_WARNINGS,	       /* cleaned lines; seal and inspect, too */
	FIELD_RETRY_AFTER,     /* u64: Unix time */
	FIELD_DATE, /* u64: Unix time of the answer's Date header; any errand, also in a refusal */
	FIELD_DONE,	       /* u64: bytes, in a progress frame; seal, too */
	FIELD_TOTAL,	       /* u64: bytes, in a progress frame; seal, too; of a list, how many there are */
	FIELD_MESSAGE,	       /* what the registry says of a success, cleaned */
	FIELD_LOGIN,	       /* in a find: an owner's login; FIELD_FOUND and the tags after it */
	FIELD_OWNER_KIND,      /* in a find: "user" or "team" */
	FIELD_NAME,	       /* in a find: perhaps a name for people */
	FIELD_HIGHEST_VERSION, /* ERRAND_CRATE: the highest by Semantic Versioning */
	FIELD_IDLE_MSEC,       /* task: how long not a byte may move; absent: a minute */

	/*
	 * import: a file is sent along, perhaps with the key of one token -> FIELD_SECRET, or
	 * FIELD_FOUND and the tags after it, one for each find: fields again, the rest of these.
	 */
	FIELD_TOML_KEY = 80, /* path of the value: registries.corp.token */
	FIELD_REGISTRY,	     /* its name */
	FIELD_LINE,	     /* u64: from 1 */
	FIELD_START,	     /* u64: where that line begins, in bytes */
	FIELD_END,	     /* u64: where the next one does */
	FIELD_IS_SIMPLE,     /* u64: 1 if the entry is that line, whole and alone */
	FIELD_IS_ASYMMETRIC, /* u64: 1 for a secret-key */

	/* watch: in a progress frame */
	FIELD_WORD = 104, /* u64: enum watch_word */

	/* import again: the first find; no tag of another worker comes after it. */
	FIELD_FOUND = 128,

	/*
	 * seal: a lent file and an empty file in memory are sent along; the latter is filled and sealed
	 * -> size, sha256 (FIELD_CHECKSUM).
	 * inspect: a sealed crate file and an empty file in memory, which takes the metadata -> the
	 * rest of these, with FIELD_CRATE, FIELD_VERSION and FIELD_WARNINGS. Or two sealed crate files.
	 */
	/*
	 * u64: bytes that may be taken. For seal; for read, too, at most KEY_TEXT_MAX: the pipe is
	 * then read to its end, and what it held is told exactly as it was.
	 */
	FIELD_SIZE_MAX = 240,
	FIELD_SIZE,		/* u64: bytes of the crate file */
	FIELD_INSPECT_ERRAND,	/* u64: enum inspect_errand */
	FIELD_INDEX_URL,	/* inspect task: canonical URL of the registry's index */
	FIELD_UNPACKED,		/* u64: bytes of all files in the archive */
	FIELD_ENTRIES,		/* u64: how many there are */
	FIELD_NEEDS,		/* names of the crates of the same registry that it depends on, a line each */
	FIELD_DIFFERENT,	/* names of the files that differ, cleaned, a line each, 32 at most */
	FIELD_N_DIFFERENT,	/* u64: how many there are in all */

	/*
	 * keyring: an errand -> what it asks for. An image travels in a file in memory that is
	 * sent along: to be filled by a load, filled already for a save.
	 */
	FIELD_KEYRING_ERRAND = 96, /* u64: enum keyring_errand */
	FIELD_MAY_PROMPT,	   /* u64: 1: the keyring may ask the person to unlock it */
	FIELD_DIGEST,		   /* of what lies there: 32 bytes, as last told; absent: nothing */
	FIELD_KEEPS_KEY,	   /* u64: 1: the key that lies beside the image stays */

	/*
	 * keyring, for cargo's own items: the URL of one, perhaps with FIELD_TOKEN -> FIELD_SECRET,
	 * or FIELD_FOUND and the tags after it, one for each URL: fields again, the first four.
	 */
	FIELD_CARGO_URL = 112, /* of the index, as cargo wrote it; in a find: what can be shown */
	FIELD_CARGO_N,	       /* u64: how many items of that URL there are */
	FIELD_CARGO_IS_LOCKED, /* u64: 1 if one of them is locked */
	FIELD_CARGO_IS_ODD,    /* u64: 1 if it is no URL of a registry for us */
	FIELD_CARGO_HAS_MORE,  /* u64: 1 if there are more than FOUND_MAX URLs */
};

/* How many FIELD_FOUND there can be. */
#define FOUND_MAX 100

/* What worker-net is sent for. */
enum errand {
	ERRAND_CONFIG, /* an index's config.json -> api, dl, auth-required */
	ERRAND_PROBE,  /* crates.io's GET /api/v1/me -> a verdict on the token */
	ERRAND_CRATE,  /* a crate's file in a sparse index -> is new, last version, checksum */
	/* These go to the API with the token; they say what came of it by FIELD_OUTCOME. */
	ERRAND_PUBLISH, /* two files are sent along: the metadata, and the crate file */
	ERRAND_YANK,
	ERRAND_UNYANK,
	ERRAND_OWNERS_ADD,
	ERRAND_OWNERS_REMOVE,
	ERRAND_OWNERS_LIST, /* perhaps without a token */
	ERRAND_REVOKE,
	/* GET of FIELD_URL as it is, never with a token: an answer of any status tells the time */
	ERRAND_CLOCK,
	_ERRAND_MAX,
};

/* What became of an act at the registry. Nothing that may have happened is called refused. */
enum outcome {
	OUTCOME_DONE,
	OUTCOME_REFUSED, /* surely not done: the registry said so, or the request never went out */
	OUTCOME_UNKNOWN, /* it was sent, and no answer tells what came of it */
	_OUTCOME_MAX,
};

/* What crates.io's words ask for, where its publishing guide says what to do. */
enum hint {
	HINT_NONE,
	HINT_EMAIL,	 /* a verified e-mail address */
	HINT_SCOPE,	 /* a token with other scopes or crates */
	HINT_OWNER,	 /* the crate is somebody else's */
	HINT_TEAM,	 /* team members may publish, not change owners; or the team is not found */
	HINT_ORG_ACCESS, /* the organisation restricts what its members' applications see */
	HINT_TRUSTED_PUBLISHING, /* only Trusted Publishing may publish this crate */
	HINT_ACCOUNT_TOKEN, /* a trusted-publishing token cannot do it: a token of a person can */
	_HINT_MAX,
};

/* What worker-inspect is sent for. */
enum inspect_errand {
	INSPECT_CRATE,	 /* reads, checks, and writes the metadata */
	INSPECT_COMPARE, /* which files differ between two */
	_INSPECT_ERRAND_MAX,
};

/* What worker-sign is sent for. */
enum sign_errand {
	SIGN_MAKE_KEY,	 /* -> FIELD_PASERK, FIELD_PUBLIC, FIELD_PID */
	SIGN_READ_KEY,	 /* FIELD_PASERK in either form -> the same */
	SIGN_PUBLIC_KEY, /* FIELD_PASERK -> FIELD_PUBLIC, FIELD_PID */
	SIGN_REQUEST,	 /* FIELD_PASERK, its FIELD_PUBLIC and the claims -> FIELD_TOKEN */
	_SIGN_ERRAND_MAX,
};

/* How a token's footer calls the id of its key. */
enum footer_key {
	FOOTER_KIP, /* as cargo does */
	FOOTER_KID, /* as RFC 3231 says */
	_FOOTER_KEY_MAX,
};

/* What worker-keyring is sent for. */
enum keyring_errand {
	KEYRING_LOAD,	  /* the image -> FIELD_DIGEST */
	KEYRING_SAVE,	  /* perhaps with FIELD_KEY, to lie beside it -> FIELD_DIGEST */
	KEYRING_ERASE,	  /* image and key */
	KEYRING_LOAD_KEY, /* -> FIELD_KEY */
	KEYRING_CARGO_LIST, /* cargo's items, without their secrets */
	KEYRING_CARGO_TAKE, /* -> FIELD_SECRET */
	KEYRING_CARGO_WIPE, /* removes the item, if its secret is FIELD_TOKEN */
	_KEYRING_ERRAND_MAX,
};

/* What crates.io's words about a token mean. Words that we do not know are no verdict. */
enum verdict {
	VERDICT_UNKNOWN,
	VERDICT_VALID,
	VERDICT_DEAD,	   /* unknown there, revoked or expired: it does not tell which */
	VERDICT_MALFORMED, /* not of a form that it ever gives out */
	VERDICT_LOCKED,	   /* the token's owner is locked out */
	_VERDICT_MAX,
};

/* What worker-watch says. The core says `done` to all but the first. */
enum watch_word {
	WORD_LISTENING, /* all is well; again and again */
	WORD_SESSION,	/* a session of the user was locked */
	WORD_SLEEP,	/* the machine goes to sleep, and waits for the core's `done` */
	_WORD_MAX,
};

/* How often it says that it listens. */
#define WATCH_BEAT_SEC 5

enum question {
	QUESTION_SAY, /* show the text, ask nothing */
	QUESTION_YES_NO,
	QUESTION_TYPE,		 /* FIELD_EXPECT has to be typed */
	QUESTION_SECRET,	 /* passphrase or token: one hidden line */
	QUESTION_NEW_PASSPHRASE, /* twice, until both are equal */
	_QUESTION_MAX,
};

/* Descriptors with one frame. */
#define FRAME_FDS_MAX 2

/* Sends one frame, blocking only as the socket does. `fields` may be NULL. */
int frame_send(int socket, enum frame_type type, const struct fields *fields, const int *fds,
	size_t n_fds);

/*
 * Receives one frame. Returns 1, 0 at the end of the stream, -EBADMSG for a
 * malformed or oversized frame or too many descriptors, or another negative
 * errno (-EAGAIN on a non-blocking socket). On 1 the caller frees *ret_fields
 * and closes the descriptors (all close-on-exec).
 */
int frame_receive(int socket, enum frame_type *ret_type, struct fields **ret_fields,
	int ret_fds[FRAME_FDS_MAX], size_t *ret_n_fds);
