/*
 * `check`: what can be known before one publishes, without changing anything and
 * without asking anybody.
 *
 *   account → index → token → crate → owners → answered
 *
 * Each step writes its findings and starts the next one.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/clock.h"
#include "agent/deed.h"
#include "agent/handle/act.h"
#include "agent/handle/handle.h"
#include "agent/history.h"
#include "agent/keypair.h"
#include "agent/mandate.h"
#include "agent/pin.h"
#include "agent/probe.h"
#include "agent/route.h"
#include "agent/rule/expiry.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

/* Owners that are named in a finding. */
#define OWNERS_NAMED 5

struct check {
	struct session *session;
	const char *name;
	struct json_writer *writer;
	struct account *account;
	struct route *route;
	struct pin *pin;
	struct probe *probe;
	struct history *history;
	struct deed *deed;
	bool is_signature_taken;
};

static void check_free(void *operation) {
	struct check *check = operation;

	deed_free(check->deed);
	history_free(check->history);
	probe_free(check->probe);
	pin_free(check->pin);
	route_free(check->route);
	account_free(check->account);
	free(check);
}

static const char good[] = "good", warning[] = "warning", bad[] = "bad", unknown[] = "unknown";

__attribute__((format(printf, 4, 5))) static void check_say(
	struct check *check, const char *what, const char *state, const char *format, ...) {
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	json_write_object(check->writer, NULL);
	json_write_string(check->writer, "what", what);
	json_write_string(check->writer, "state", state);
	json_write_string(check->writer, "text", text);
	json_write_object_end(check->writer);
}

static void check_end(struct check *check) {
	json_write_array_end(check->writer);
	reply_ok_end(check->writer);
	session_send(check->session);
}

/* Says that a step could not be made, and what that was. */
static void check_say_failed(struct check *check, const char *what, int error) {
	check_say(check, what, unknown, "%s", refusal_sentence(refusal_from_errno(error)));
}

static void check_account(struct check *check) {
	const struct account *account = check->account;
	int days = expiry_warning_days(account->expires, (int64_t) time(NULL));
	const char *what = account_signs(account) ? "key" : "token";

	check_say(check, "account", good, "'%s', its requests go to %s", check->name, account->api);
	if (account->expires == 0 && !account_signs(account))
		check_say(check, "expiry", unknown, "nobody has told when the token expires");
	else if (account->expires == 0)
		check_say(check, "expiry", good, "a key does not expire by itself");
	else if (expiry_is_over(account->expires, (int64_t) time(NULL)))
		check_say(check, "expiry", bad, "the %s has expired, as told at login", what);
	else if (days >= 0)
		check_say(check, "expiry", warning, "the %s expires in %d day%s, as told at login",
			what, days, days == 1 ? "" : "s");
	else
		check_say(check, "expiry", good, "the %s does not expire in the next two weeks", what);
	if (account->scope || account->crates)
		check_say(check, "scope", good, "as told at login: %s%s%s",
			account->scope ? account->scope : "any act", account->crates ? " on " : "",
			account->crates ? account->crates : "");
	else if (!account_signs(account))
		check_say(check, "scope", unknown, "nobody has told what the token may do");
}

static void check_clock(struct check *check, int64_t date) {
	int64_t skew = date - (int64_t) time(NULL);
	int64_t size = skew < 0 ? -skew : skew;

	if (date == 0)
		return;
	check_say(check, "clock",
		size > CLOCK_WRONG_SEC ? bad : size > CLOCK_WARNING_SEC ? warning : good,
		size > CLOCK_WARNING_SEC
			? "this machine's clock differs from the registry's by %" PRId64 " s"
			: "as the registry's, within a minute (%" PRId64 " s)",
		size);
}

static void check_owned(const struct deed_result *result, void *userdata) {
	struct check *check = userdata;
	char names[512] = "";
	size_t n = 0;

	for (; n < FOUND_MAX && result->code == REFUSAL_NONE; n++) {
		_cleanup_(fields_freep) struct fields *find = NULL;
		_cleanup_(freep) char *login = NULL;
		const uint8_t *bytes;
		size_t size, used = strlen(names);

		if (fields_get(result->finds, (uint8_t) (FIELD_FOUND + n), &bytes, &size) < 0)
			break;
		if (n < OWNERS_NAMED && fields_parse(bytes, size, &find) == 0 &&
			fields_get_string(find, FIELD_LOGIN, &login) == 0)
			(void) snprintf(names + used, sizeof(names) - used, "%s%.64s",
				used > 0 ? ", " : "", login);
	}
	if (result->code != REFUSAL_NONE)
		check_say(check, "owners", unknown, "not told (%s)", refusal_name(result->code));
	else
		check_say(check, "owners", n > 0 ? good : unknown, "%s%s: are you one of them?",
			n > 0 ? names : "nobody", n > OWNERS_NAMED ? " and more" : "");
	check_end(check);
}

/* As anybody may ask: to this question no token goes along. */
static void check_owners(struct check *check) {
	const struct session *session = check->session;
	const struct deed_ask ask = {
		.errand = ERRAND_OWNERS_LIST,
		.op = "owner-list",
		.account = check->account,
		.crate = session->request->crate,
		.terminal = -1,
	};
	int r = deed_new(session->agent, &session->peer, &ask, NULL, check_owned, check,
		&check->deed);

	if (r < 0) {
		check_say_failed(check, "owners", r);
		check_end(check);
	}
}

static void check_version(struct check *check, const struct history_answer *answer) {
	const char *version = check->session->request->version;
	const char *highest =
		answer->highest_version ? answer->highest_version : answer->last_version;

	if (!version)
		return;
	if (answer->checksum)
		check_say(check, "version", bad, "%s is there already, and none can be published twice",
			version);
	else if (highest && semver_compare(version, highest) <= 0)
		check_say(check, "version", warning, "%s is free, but not higher than %s", version,
			highest);
	else
		check_say(check, "version", good, "%s is free", version);
}

static void check_looked(const struct history_answer *answer, void *userdata) {
	struct check *check = userdata;

	if (!answer->is_known) {
		check_say(check, "crate", unknown, "the index did not tell");
	} else if (answer->is_new) {
		check_say(check, "crate", good,
			"nobody has this name yet; the first publish takes it for good");
		check_version(check, answer);
		check_end(check);
		return;
	} else {
		check_say(check, "crate", good, "there, last version %s",
			answer->last_version ? answer->last_version : "unknown");
		check_version(check, answer);
	}
	check_owners(check);
}

static void check_crate(struct check *check) {
	const struct request *request = check->session->request;
	int r;

	if (!request->crate) {
		check_end(check);
		return;
	}
	r = history_new(check->session->agent, check->route, request->crate, request->version,
		check_looked, check, &check->history);
	if (r == 0)
		return;
	if (r == 1)
		check_say(check, "crate", unknown, "a git index is not looked into");
	else
		check_say_failed(check, "crate", r);
	check_owners(check);
}

static void check_probed(
	enum refusal refusal, enum verdict verdict, const char *detail, void *userdata) {
	struct check *check = userdata;

	if (refusal != REFUSAL_NONE) {
		check_say(check, "token", unknown, "not tried: %s", refusal_sentence(refusal));
		check_crate(check);
		return;
	}
	switch (verdict) {
	case VERDICT_VALID:
		check_say(check, "token", good, "the registry knows it");
		break;
	case VERDICT_DEAD:
		check_say(check, "token", bad, "revoked, expired, or not known there");
		break;
	case VERDICT_MALFORMED:
		check_say(check, "token", bad, "not of the form that the registry gives out");
		break;
	case VERDICT_LOCKED:
		check_say(check, "token", bad, "its owner is locked out: %s", detail ? detail : "");
		break;
	case VERDICT_UNKNOWN:
	case _VERDICT_MAX:
		check_say(check, "token", unknown, "the registry's words say nothing about it%s%s",
			detail ? ": " : "", detail ? detail : "");
		break;
	}
	check_crate(check);
}

/* Only crates.io has something to try a token with. */
static void check_token(struct check *check) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = check->session;
	int r;

	if (account_signs(check->account)) {
		check_say(check, "token", check->is_signature_taken ? good : unknown,
			check->is_signature_taken
				? "none: the index took what the key %s signed"
				: "none: requests are signed with the key %s, and nothing tells whether the "
				  "registry knows it",
			check->account->key->pid);
		check_crate(check);
		return;
	}
	if (!registry_url_is_crates_io(session->url)) {
		check_say(check, "token", unknown, "this registry has nothing to try a token with");
		check_crate(check);
		return;
	}
	r = store_find(session->agent->store, session->url, check->name, true, &account);
	if (r == 0)
		r = probe_new(session->agent, account->api, account->ca_pem, account->proxy,
			account->token, check_probed, check, &check->probe);
	if (r < 0) {
		check_say_failed(check, "token", r);
		check_crate(check);
	}
}

static bool is_same(const char *pinned, const char *now) {
	return !pinned || (now && strcmp(pinned, now) == 0);
}

static void check_pinned(enum refusal refusal, const char *detail, void *userdata) {
	struct check *check = userdata;
	const struct account *account = check->account;
	const char *api = pin_api(check->pin), *dl = pin_dl(check->pin);
	bool is_bad = refusal == REFUSAL_INDEX_INVALID || refusal == REFUSAL_KEY_UNKNOWN ||
		      refusal == REFUSAL_TOKEN_REJECTED;

	if (refusal != REFUSAL_NONE) {
		check_say(check, "index", is_bad ? bad : unknown, "%s%s%s%s",
			refusal_sentence(refusal), detail ? " (" : "", detail ? detail : "",
			detail ? ")" : "");
	} else {
		check_say(check, "index", good, "reachable");
		/* By the account's own key, and not by that of its credential for reads. */
		check->is_signature_taken = account->is_closed && check->route->signer &&
					    account_is_same(account, check->route->signer);
		if (is_same(account->api, api) && is_same(account->dl, dl))
			check_say(check, "pin", good, "API and downloads are where they were at login");
		else
			check_say(check, "pin", bad,
				"the index now names api %s, dl %s; if that is right, run "
				"`cpub-agent trust`",
				api ? api : "(none)", dl ? dl : "(none)");
		check_clock(check, pin_date(check->pin));
	}
	check_token(check);
}

static void check_index(struct check *check) {
	struct session *session = check->session;
	const struct route *route = check->route;
	const struct pin_ask ask = {
		.ca_pem = route->ca_pem,
		.proxy = route->proxy,
		.allow_http = route->is_plain_http,
		.ask_built_in = true,
		.token = route->token,
		.signer = route->signer,
		.account = route->name,
	};
	int r;

	if (!registry_url_sparse_root(route->url)) {
		check_say(check, "index", unknown, "a git index is not looked into");
		check_token(check);
		return;
	}
	r = pin_new(session->agent, route->url, &ask, check_pinned, check, &check->pin);
	if (r < 0) {
		check_say_failed(check, "index", r);
		check_token(check);
	}
}

void check_handle(struct session *session) {
	struct check *check = calloc(1, sizeof(*check));
	int r;

	if (!check) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	check->session = session;
	check->name = act_account(session);
	session_set_operation(session, check, check_free);
	r = store_find(session->agent->store, session->url, check->name, false, &check->account);
	if (r == 0)
		r = route_new(session->agent->store, session->url, check->name, &check->route);
	if (r == -ENOENT) {
		session_refuse(session, REFUSAL_ACCOUNT_UNKNOWN, check->name);
		return;
	}
	if (r < 0) {
		session_fail(session, r, "looking at an account");
		return;
	}
	if (!check->account->api) {
		session_refuse(session, REFUSAL_UNPINNED, NULL);
		return;
	}
	check->writer = session_answer(session, false);
	reply_ok_begin(check->writer, KIND_CHECK);
	json_write_string(check->writer, "index", session->url);
	json_write_string(check->writer, "account", check->name);
	json_write_array(check->writer, "findings");
	check_account(check);
	check_index(check);
}
