#include "get_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/handle/act_text.h"
#include "agent/history.h"
#include "agent/peer.h"
#include "agent/session.h"
#include "protocol/cleanup.h"
#include "protocol/request.h"

static void write_act(FILE *out, const struct request *request) {
	switch (request->operation) {
	case OPERATION_PUBLISH:
		fprintf(out, "cpub-agent: approve publish?\n");
		break;
	case OPERATION_YANK:
		fprintf(out, "cpub-agent: approve yank?\n");
		break;
	case OPERATION_UNYANK:
		fprintf(out, "cpub-agent: approve un-yank?\n");
		break;
	case OPERATION_OWNERS:
		/* cargo's request is the same for all three. */
		fprintf(out, "cpub-agent: approve listing or changing owners?\n");
		break;
	case OPERATION_READ:
	case _OPERATION_MAX:
	case _OPERATION_INVALID:
		break;
	}
}

/* Is it the first one, and if not, which was the last? */
static void write_history(FILE *out, const struct history_answer *history) {
	fprintf(out, "  history   ");
	if (!history || !history->is_known)
		fprintf(out, "unknown: the index was not asked, or did not answer\n");
	else if (history->is_new)
		fprintf(out, "FIRST publish of this crate; its name is taken for good\n");
	else
		fprintf(out, "last version %s\n",
			history->last_version ? history->last_version : "unknown");
}

/* Every part was checked to be printable, and what a person told of a token is cleaned. */
int get_text(const struct session *session, const char *name, const struct account *account,
	const struct history_answer *history, char **ret) {
	const struct request *request = session->request;
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	bool is_publish = request->operation == OPERATION_PUBLISH;
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	write_act(out, request);
	fprintf(out, "  registry  %s\n", session->url);
	fprintf(out, "  account   %s\n", name);
	fprintf(out, "  crate     %s%s%s\n", request->crate, request->version ? " " : "",
		request->version ? request->version : "");
	if (request->checksum)
		fprintf(out, "  sha256    %s\n", request->checksum);
	if (is_publish)
		write_history(out, history);
	if (account)
		act_text_token(out, account);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	if (is_publish)
		fprintf(out, "The passphrase covers everything that this cargo run publishes in "
			     "10 minutes.\n");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

int get_text_unlock(const struct session *session, char **ret) {
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	int n = asprintf(ret,
		"cpub-agent: cargo is about to use your registry credentials.\n"
		"  registry  %s\n"
		"  asked by  %s (claimed)\n",
		session->url, who ? who : "?");

	return n < 0 ? -ENOMEM : 0;
}
