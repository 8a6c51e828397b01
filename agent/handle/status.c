/* `status`: what there is and how well it is kept; nothing secret. */

#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/consent.h"
#include "agent/handle/handle.h"
#include "agent/passphrase.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/unattended.h"
#include "agent/watch.h"
#include "protocol/reply.h"
#include "protocol/secret.h"

static const char *state_name(const struct store *store) {
	switch (store_state(store)) {
	case STORE_ABSENT:
		return "absent";
	case STORE_LOCKED:
		return "locked";
	case STORE_OPEN:
		return "unlocked";
	case STORE_UNKNOWN:
	case STORE_BROKEN:
		break;
	}
	/* As the refusal is called that a request would get. */
	if (refusal_is_of_keyring(store_refusal(store_error(store))))
		return refusal_name(store_refusal(store_error(store)));
	switch (store_error(store)) {
	case -ENOENT:
		return "gone";
	case -EBADMSG:
		return "damaged";
	case -ENOTSUP:
		return "newer";
	case -EACCES:
		return "loose";
	default:
		return "unreadable";
	}
}

/* Whether a passphrase seals it can only be read in the store itself. */
static bool is_sealed_somehow(const struct store *store) {
	return strcmp(store_medium_name(store), "keyring") == 0 && !store_kdf(store) &&
	       !store_opens_itself(store);
}

static void write_level(struct json_writer *writer, const struct agent *agent, bool is_there) {
	if (is_there && is_sealed_somehow(agent->store))
		json_write_string(writer, "level", NULL);
	else if (is_there && unattended_is_possible(agent)) /* And will be opened so. */
		json_write_integer(writer, "level", protection_level(PROTECTION_UNATTENDED));
	else
		json_write_integer(writer, "level",
			is_there ? protection_level(agent_protection(agent)) : 0);
}

static void write_store(struct json_writer *writer, struct agent *agent) {
	const struct store *store = agent->store;
	enum store_state state = store_state(store);
	uint64_t now = agent_now_usec(agent), until;
	bool is_there = state != STORE_ABSENT;

	json_write_string(writer, "store", is_there ? store_medium_name(store) : NULL);
	json_write_string(writer, "path", is_there ? store_path(store) : NULL);
	json_write_string(writer, "state", state_name(store));
	write_level(writer, agent, is_there);
	json_write_integer(writer, "accounts", (int64_t) store_n_accounts(store));
	if (state == STORE_OPEN) {
		until = agent->last_request_usec + agent->options.lock_after_usec;
		json_write_integer(writer, "locks-in",
			until > now ? (int64_t) ((until - now) / USEC_PER_SEC) : 0);
		json_write_bool(writer, "locks-with-session", watch_is_listening(agent->watch));
	} else {
		json_write_string(writer, "locks-in", NULL);
		json_write_string(writer, "locks-with-session", NULL);
	}
}

void status_handle(struct session *session) {
	struct agent *agent = session->agent;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_STATUS);
	json_write_string(writer, "version", CPUB_VERSION);
	json_write_integer(writer, "pid", getpid());
	write_store(writer, agent);
	json_write_bool(writer, "memory-locked", secret_n_unlocked() == 0);
	json_write_integer(
		writer, "grants", grant_count(&agent->grants, agent_now_usec(agent)));
	expiring_write(&agent->expiring, agent->store, writer);
	alarms_write(&agent->alarms, writer);
	reply_ok_end(writer);
	session_send(session);
}
