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

	/* ask: what kind of question, text above it, prompt; terminal sent along -> secret */
	FIELD_QUESTION = 32, /* u64: enum question */
	FIELD_TEXT,	     /* lines to show first, already cleaned */
	FIELD_PROMPT,	     /* shown as it is, with a space behind it */
	FIELD_PROMPT_AGAIN,  /* for a new passphrase */
	FIELD_EXPECT,	     /* a text that must be typed exactly (a host) */
	FIELD_SECRET, /* for read, too: a pipe sent along -> its first line */
	FIELD_ASKPASS, /* program to use instead of a terminal */

	/* net: one GET; URL, CA, proxy, perhaps a token -> what the errand asks for */
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
	_ERRAND_MAX,
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
