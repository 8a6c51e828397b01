#include "refusal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	enum exit_code exit_code;
	const char *sentence;
} rows[] = {
	[REFUSAL_NONE] = {"none", EXIT_DONE, "nothing was refused"},
	[REFUSAL_NOT_FOUND] = {"not-found", EXIT_NEEDS,
		"no token is stored for this registry; run `cpub-agent login`"},
	[REFUSAL_URL_NOT_SUPPORTED] = {"url-not-supported", EXIT_FAILED,
		"this registry URL is not one that cpub-agent handles"},
	[REFUSAL_OPERATION_NOT_SUPPORTED] = {"operation-not-supported", EXIT_FAILED,
		"this agent does not know that request; update cpub-agent and restart the agent"},

	[REFUSAL_BAD_REQUEST] = {"bad-request", EXIT_FAILED,
		"the request is not one line of strict JSON with the fields of its kind; see "
		"cpub-agent's PROTOCOL.md"},
	[REFUSAL_BAD_VERSION] = {"bad-version", EXIT_FAILED,
		"unsupported protocol version; cpub-agent speaks version 1"},
	[REFUSAL_LINE_TOO_LONG] = {"line-too-long", EXIT_FAILED,
		"the request is longer than 64 KiB; send a shorter one"},
	[REFUSAL_LINE_INCOMPLETE] = {"line-incomplete", EXIT_FAILED,
		"the request was not ended by a newline in time; send it whole"},
	[REFUSAL_BAD_DESCRIPTOR] = {"bad-descriptor", EXIT_FAILED,
		"a descriptor came that is not allowed there, or one is missing; send at most one "
		"terminal and one pipe, with the first byte of the request that needs them"},
	[REFUSAL_BUSY] = {"busy", EXIT_FAILED,
		"the agent is doing as much as it may at once; try again in a moment"},
	[REFUSAL_ARGUMENT_UNKNOWN] = {"argument-unknown", EXIT_USAGE,
		"only `--account NAME` may follow cargo-credential-cpub; correct the provider's "
		"arguments in cargo's configuration"},
	[REFUSAL_BAD_NAME] = {"bad-name", EXIT_MISMATCH,
		"a crate name, version, checksum or account name is malformed; correct it"},
	[REFUSAL_BAD_URL] = {"bad-url", EXIT_USAGE,
		"the registry's URL is not in the plain form that cpub-agent takes; write it as "
		"`sparse+https://HOST/PATH/` or `https://HOST/PATH`"},
	[REFUSAL_BAD_TOKEN] = {"bad-token", EXIT_USAGE,
		"the token must be a non-empty line of printable ASCII, 1024 bytes at most; copy it "
		"again from the registry"},
	[REFUSAL_BAD_KEY] = {"bad-key", EXIT_USAGE,
		"this is no private key of the curve P-384; give a `k3.secret.` text or an unencrypted "
		"PEM key of that curve"},
	[REFUSAL_BAD_PASSPHRASE] = {"bad-passphrase", EXIT_USAGE,
		"the passphrase must be a non-empty line of 1024 bytes at most; choose another"},
	[REFUSAL_TOKEN_SHAPE] = {"token-shape", EXIT_USAGE,
		"this does not look like a token of crates.io, so it was sent nowhere; copy it again, or "
		"store it unchecked with `cpub-agent login --no-check`"},
	[REFUSAL_READ_NOT_NEEDED] = {"read-not-needed", EXIT_USAGE,
		"this registry asks for no token for reads; log in without `--for read`"},
	[REFUSAL_FILE_INVALID] = {"file-invalid", EXIT_FAILED,
		"the file is not TOML as cargo writes it, or is too large; correct it, or give its "
		"tokens to `cpub-agent login` one by one"},
	[REFUSAL_NO_TOKEN_IN_FILE] = {"no-token-in-file", EXIT_USAGE,
		"the file holds no token under that key; look at it again"},
	[REFUSAL_NO_TOKEN_IN_KEYRING] = {"no-token-in-keyring", EXIT_USAGE,
		"the keyring holds no token of cargo's for that registry, or not any more; look at it "
		"again"},
	[REFUSAL_TOKEN_AMBIGUOUS] = {"token-ambiguous", EXIT_FAILED,
		"the keyring holds several tokens of cargo's for that registry; remove all but the one "
		"that is in use, and try again"},
	[REFUSAL_TOKEN_DIFFERS] = {"token-differs", EXIT_MISMATCH,
		"the keyring holds another token for that registry than the store, so it stays there; "
		"import it again, with `--replace`"},
	[REFUSAL_TOKEN_IS_KEY] = {"token-is-key", EXIT_USAGE,
		"this is a private key and no token, so it was sent nowhere and not stored; to sign with "
		"it, give it to `cpub-agent login --asymmetric --with-token`"},
	[REFUSAL_SIGNING_NOT_TAKEN] = {"signing-not-taken", EXIT_USAGE,
		"crates.io knows no keys and takes no signed requests; name another registry, or log in "
		"there with a token (`--no-check` stores a key for it all the same)"},
	[REFUSAL_ACCOUNT_SIGNS] = {"account-signs", EXIT_USAGE,
		"this account signs its requests and sends no token, whatever a registry answers; give "
		"`--asymmetric`, or put an account with a token in its place: `cpub-agent login --replace`"},
	[REFUSAL_NO_KEY] = {"no-key", EXIT_USAGE,
		"this account has a token and no key; `cpub-agent login --asymmetric` makes an account "
		"that signs"},
	[REFUSAL_NO_NEXT_KEY] = {"no-next-key", EXIT_USAGE,
		"there is no next key for this account; make one with `cpub-agent key rotate`"},
	[REFUSAL_NOTHING_TO_REVOKE] = {"nothing-to-revoke", EXIT_USAGE,
		"this account signs its requests, so the registry has no token of it to revoke; remove "
		"its public key there, and then run `cpub-agent logout`"},

	[REFUSAL_NO_STORE] = {"no-store", EXIT_NEEDS,
		"there is no store for tokens yet; run `cpub-agent init`"},
	[REFUSAL_STORE_EXISTS] = {"store-exists", EXIT_FAILED,
		"there is a store already; nothing was changed"},
	[REFUSAL_STORE_GONE] = {"store-gone", EXIT_STORE,
		"the store that was there is gone; restore it from a backup, or remove the "
		"file `store` in cpub-agent's state directory and run `cpub-agent init`"},
	[REFUSAL_STORE_DAMAGED] = {"store-damaged", EXIT_STORE,
		"the store is damaged; restore it from a backup"},
	[REFUSAL_STORE_NEWER] = {"store-newer", EXIT_STORE,
		"the store was written by a newer cpub-agent; update this one"},
	[REFUSAL_STORE_LOOSE] = {"store-loose", EXIT_STORE,
		"the store is not a regular file that only you can read, in a directory that only "
		"you can enter; make both yours, and run `chmod 600` and `chmod 700` on them"},
	[REFUSAL_STORE_CHANGED] = {"store-changed", EXIT_STORE,
		"another program changed the store meanwhile, so it was locked; run `cpub-agent "
		"unlock`, look with `cpub-agent list`, and try again"},
	[REFUSAL_STORE_OLDER] = {"store-older", EXIT_STORE,
		"the store is older than the one last seen here; if you restored a backup yourself, "
		"remove the file `store` in cpub-agent's state directory and unlock again"},
	[REFUSAL_STORE_FAILED] = {"store-failed", EXIT_FAILED,
		"the store could not be read or written, and stays as it was; look at the disk"},
	[REFUSAL_STORE_UNSURE] = {"store-unsure", EXIT_FAILED,
		"whether the change was stored is not known, as the store could not be read "
		"afterwards; look with `cpub-agent list`"},
	[REFUSAL_STORE_UNAVAILABLE] = {"store-unavailable", EXIT_USAGE,
		"there is no such kind of store here; run `cpub-agent init --store vault`"},
	[REFUSAL_KEYRING_LOCKED] = {"keyring-locked", EXIT_NEEDS,
		"the keyring is locked, or wants to ask for each access; unlock it in your desktop, or "
		"run the command (`cpub-agent unlock` where it holds the store) in a terminal, so that "
		"it can ask you"},
	[REFUSAL_KEYRING_UNREACHABLE] = {"keyring-unreachable", EXIT_FAILED,
		"no keyring can be reached: there is no session bus, no Secret Service on it, or no "
		"default keyring; start one (gnome-keyring, KeePassXC), or run `cpub-agent init "
		"--store vault` if there is no store yet"},
	[REFUSAL_KEYRING_TIMEOUT] = {"keyring-timeout", EXIT_FAILED,
		"the keyring does not answer; look at its program, and at `cpub-agent list` if "
		"something was to be changed, since it may have happened"},
	[REFUSAL_KEYRING_DENIED] = {"keyring-denied", EXIT_DENIED,
		"the keyring did not let cpub-agent in, or its question was dismissed; try again"},
	[REFUSAL_STORE_BOUND] = {"store-bound", EXIT_FAILED,
		"a store that no passphrase opens cannot be moved, since its key is beside it; run "
		"`cpub-agent passwd` first"},
	[REFUSAL_LOCKED] = {"locked", EXIT_NEEDS,
		"the store is locked; run `cpub-agent unlock` in a terminal and try again"},
	[REFUSAL_WRONG_PASSPHRASE] = {"wrong-passphrase", EXIT_STORE,
		"the passphrase is wrong; try again"},
	[REFUSAL_ACCOUNT_UNKNOWN] = {"account-unknown", EXIT_NEEDS,
		"this registry has no account of that name; see `cpub-agent list`"},
	[REFUSAL_ACCOUNT_EXISTS] = {"account-exists", EXIT_FAILED,
		"there is a token or a key for this account already, and it stays; to put another in its place, "
		"give `--replace`"},
	[REFUSAL_TOKEN_EXPIRED] = {"token-expired", EXIT_NEEDS,
		"the token has expired, or does so within a minute; make a new one at the registry and "
		"run `cpub-agent login --replace`"},
	[REFUSAL_READ_AUTH_NOT_AGREED] = {"read-auth-not-agreed", EXIT_NEEDS,
		"the registry asks for a token for reads, and you have not agreed to hand one out "
		"for that; run `cpub-agent login` for this registry"},

	[REFUSAL_NEEDS_TERMINAL] = {"needs-terminal", EXIT_NEEDS,
		"a person has to be asked, and there is no terminal to ask on; run the command in "
		"the foreground of a terminal"},
	[REFUSAL_DENIED] = {"denied", EXIT_DENIED,
		"the person at the terminal said no; nothing was done"},
	[REFUSAL_NOT_GRANTED] = {"not-granted", EXIT_DENIED,
		"nobody granted this to the running command; nothing was done"},
	[REFUSAL_RELEASE_REPEATED] = {"release-repeated", EXIT_DENIED,
		"the token for this crate and version was asked for a second time in one cargo run, so "
		"the approval has ended; find out which program asked, then publish again"},
	[REFUSAL_PROMPT_TIMEOUT] = {"prompt-timeout", EXIT_NEEDS,
		"nobody answered the question in time; try again"},
	[REFUSAL_PROMPT_FAILED] = {"prompt-failed", EXIT_FAILED,
		"the question could not be shown; run the command in a terminal of its own"},

	[REFUSAL_PLAIN_HTTP] = {"plain-http", EXIT_DENIED,
		"a token never goes over plain http; use https, or for a registry on this machine "
		"log in with `--allow-http`"},
	[REFUSAL_NEEDS_API] = {"needs-api", EXIT_USAGE,
		"a git index does not tell its API over https; give `--api URL`"},
	[REFUSAL_API_ELSEWHERE] = {"api-elsewhere", EXIT_DENIED,
		"the index names an API on another host, and nobody is there to agree; give "
		"`--api URL` if you trust it"},
	[REFUSAL_NAME_UNTRUSTED] = {"name-untrusted", EXIT_DENIED,
		"the registry's name comes from a project file or the environment, and nobody is "
		"there to confirm its host; give `--index URL`"},
	[REFUSAL_AUTH_REQUIRED] = {"auth-required", EXIT_REGISTRY,
		"this registry asks for a token for every read; log in there first with `cpub-agent "
		"login`"},
	[REFUSAL_TOKEN_REJECTED] = {"token-rejected", EXIT_REGISTRY,
		"the registry does not accept this token: it is mistyped, revoked or expired; nothing was "
		"stored or handed out"},
	[REFUSAL_OWNER_LOCKED] = {"owner-locked", EXIT_REGISTRY,
		"the registry has locked the account that this token belongs to; ask its operators"},
	[REFUSAL_ORIGIN_CHANGED] = {"origin-changed", EXIT_DENIED,
		"the index now names another API or download URL than at login, so no token was handed "
		"out; find out why, and if it is right run `cpub-agent trust`"},
	[REFUSAL_CHECKSUM_DIFFERS] = {"checksum-differs", EXIT_MISMATCH,
		"the index lists another checksum than the one that was approved: what went up is not "
		"what you approved; look at it, and `cargo yank` it if it is not yours"},
	[REFUSAL_INDEX_INVALID] = {"index-invalid", EXIT_REGISTRY,
		"what the index sent cannot be used; ask the registry's operator"},
	[REFUSAL_INDEX_REFUSED] = {"index-refused", EXIT_REGISTRY,
		"the index did not hand out the file that was asked for; check the URL"},
	[REFUSAL_NETWORK] = {"network", EXIT_NETWORK,
		"the registry could not be reached; check the network, the proxy and the URL"},
	[REFUSAL_NETWORK_TIMEOUT] = {"network-timeout", EXIT_NETWORK,
		"the registry did not answer in time; try again later"},
	[REFUSAL_TLS] = {"tls", EXIT_NETWORK,
		"the registry's certificate is not one that this machine trusts; if it has a private "
		"CA, set `http.cainfo` in your own cargo configuration and log in again with "
		"`cpub-agent login`"},
	[REFUSAL_REDIRECT] = {"redirect", EXIT_NETWORK,
		"the registry answered with a redirect, which is never followed; use the URL that it "
		"points to if you trust it"},

	[REFUSAL_UNPINNED] = {"unpinned", EXIT_NEEDS,
		"no API is pinned for this account, since it was made without asking the index, or before "
		"the registry knew its key; run `cpub-agent trust` for this registry"},
	[REFUSAL_REGISTRY_REFUSED] = {"registry-refused", EXIT_REGISTRY,
		"the registry said no; nothing was changed there"},
	[REFUSAL_TOKEN_UNKNOWN] = {"token-unknown", EXIT_REGISTRY,
		"the registry does not know this token: it was revoked, has expired, or is another "
		"registry's; it stays stored; make a new one and run `cpub-agent login --replace`"},
	[REFUSAL_TOKEN_SCOPE] = {"token-scope", EXIT_REGISTRY,
		"the token may not do this: its scopes, or the crates that it is for, do not cover it; "
		"make one that may, and run `cpub-agent login --replace`"},
	[REFUSAL_RATE_LIMITED] = {"rate-limited", EXIT_REGISTRY,
		"the registry was asked for too much in a short time; nothing was changed there, try "
		"again later"},
	[REFUSAL_REGISTRY_UNAVAILABLE] = {"registry-unavailable", EXIT_REGISTRY,
		"the registry takes no changes at the moment; try again later"},
	[REFUSAL_ANSWER_INVALID] = {"answer-invalid", EXIT_REGISTRY,
		"the registry's answer makes no sense; ask its operator"},
	[REFUSAL_OUTCOME_UNKNOWN] = {"outcome-unknown", EXIT_NETWORK,
		"the request was sent and its answer lost, so nobody knows whether it was carried out; "
		"look with `cpub-agent check` before you try again"},
	[REFUSAL_KEY_UNKNOWN] = {"key-unknown", EXIT_REGISTRY,
		"the registry does not take what this key signs; register what `cpub-agent key show` "
		"prints there, and see that it has the same subject"},
	[REFUSAL_CLOCK_WRONG] = {"clock-wrong", EXIT_FAILED,
		"this machine's clock and the registry's are more than 5 minutes apart, so nothing was "
		"signed: a registry takes no signature of another time; set the clock, then try again"},
	[REFUSAL_CHALLENGE_REPEATED] = {"challenge-repeated", EXIT_REGISTRY,
		"the registry's challenge was signed before, and is signed once only, since what was "
		"signed twice can be replayed; try again, and ask the registry's operators if it stays"},

	[REFUSAL_CRATE_INVALID] = {"crate-invalid", EXIT_MISMATCH,
		"the file is not a crate that a registry takes; nothing was sent"},
	[REFUSAL_CRATE_INCOMPLETE] = {"crate-incomplete", EXIT_MISMATCH,
		"the manifest lacks what the registry requires; correct `Cargo.toml`; nothing was sent"},
	[REFUSAL_CRATE_TOO_LARGE] = {"crate-too-large", EXIT_MISMATCH,
		"the crate file is larger than what is sent without being told so; exclude what does not "
		"belong in it, or give `--max-size`"},
	[REFUSAL_NO_ROOM] = {"no-room", EXIT_FAILED,
		"there is not enough free memory to hold the crate file; close something, and try again"},
	[REFUSAL_VERSION_EXISTS] = {"version-exists", EXIT_MISMATCH,
		"the registry has this version already, and none can be published twice; raise the "
		"version"},
	[REFUSAL_NOT_SEALED] = {"not-sealed", EXIT_DENIED,
		"no such crate and version was sealed on this connection; nothing was sent"},
	[REFUSAL_NOT_APPROVED] = {"not-approved", EXIT_DENIED,
		"nobody has approved this, or the approval is over, since time has passed or the account was "
		"changed; nothing was sent, so approve it again"},
	[REFUSAL_NOT_VERIFIED] = {"not-verified", EXIT_MISMATCH,
		"the approval was for a crate that is built first, and no build has shown that it is the "
		"same file; nothing was sent"},
	[REFUSAL_CRATE_DIFFERS] = {"crate-differs", EXIT_MISMATCH,
		"what the build packaged is not what was approved; nothing was sent"},

	[REFUSAL_WORKER_FAILED] = {"worker-failed", EXIT_FAILED,
		"a helper program of cpub-agent failed; look at the agent's log"},
	[REFUSAL_WORKER_TIMEOUT] = {"worker-timeout", EXIT_FAILED,
		"a helper program of cpub-agent did not finish in time and was ended; try again"},
	[REFUSAL_AUDIT_FAILED] = {"audit-failed", EXIT_FAILED,
		"the audit log could not be written, so nothing was handed out; look at the disk and "
		"cpub-agent's state directory"},
	[REFUSAL_NO_MEMORY] = {"no-memory", EXIT_FAILED,
		"the agent has no memory left for this; try again later"},
	[REFUSAL_INTERNAL] = {"internal", EXIT_FAILED,
		"something failed inside the agent; look at its log"},

	[REFUSAL_AGENT_UNREACHABLE] = {"agent-unreachable", EXIT_UNREACHABLE,
		"the agent could not be started or does not answer; run `cpub-agent status`"},
	[REFUSAL_AGENT_FOREIGN] = {"agent-foreign", EXIT_UNREACHABLE,
		"the socket is served by another user, so nothing was sent; find out who did that"},
	[REFUSAL_SOCKET_UNSAFE] = {"socket-unsafe", EXIT_UNREACHABLE,
		"the socket's directory is not yours alone; make it yours and run `chmod 700` on it"},
};
static_assert(sizeof(rows) / sizeof(rows[0]) == _REFUSAL_MAX, "a row for each refusal");

const char *refusal_name(enum refusal refusal) {
	return rows[refusal].name;
}

enum refusal refusal_from_name(const char *name) {
	for (int i = 0; i < _REFUSAL_MAX; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return (enum refusal) i;
	}
	return _REFUSAL_INVALID;
}

bool refusal_is_of_keyring(enum refusal refusal) {
	return refusal == REFUSAL_KEYRING_LOCKED || refusal == REFUSAL_KEYRING_UNREACHABLE ||
	       refusal == REFUSAL_KEYRING_TIMEOUT || refusal == REFUSAL_KEYRING_DENIED;
}

enum exit_code refusal_exit_code(enum refusal refusal) {
	return rows[refusal].exit_code;
}

const char *refusal_sentence(enum refusal refusal) {
	return rows[refusal].sentence;
}

enum refusal refusal_from_errno(int error) {
	switch (error) {
	case -ENOMEM:
		return REFUSAL_NO_MEMORY;
	case -EBUSY:
	case -EMFILE: /* No more descriptors, here or on their way. */
	case -ENFILE:
	case -ETOOMANYREFS:
		return REFUSAL_BUSY;
	case -ECHILD:
		return REFUSAL_WORKER_FAILED;
	default:
		return REFUSAL_INTERNAL;
	}
}
