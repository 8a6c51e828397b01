#include "login_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/peer.h"
#include "agent/pin.h"
#include "agent/session.h"
#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "protocol/request.h"

bool login_text_is_printable(const char *text) {
	size_t size = strlen(text);

	if (size == 0 || size > URL_MAX)
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			return false;
	}
	return true;
}

/* Longer texts could forge lines of ours by wrapping; so could rows of blanks, of which one stays. */
#define CLEAN_MAX 160

/* A text of the client's: control bytes and anything exotic become `?`. */
static void write_clean(FILE *out, const char *text) {
	for (const char *c = text; *c; c++) {
		if (c - text == CLEAN_MAX) {
			fprintf(out, "...");
			return;
		}
		if (*c == ' ' && c > text && c[-1] == ' ')
			continue;
		(void) fputc(*c < 0x20 || *c > 0x7e ? '?' : *c, out);
	}
}

static void write_source(FILE *out, const struct request *request) {
	const char *from = request->url_file ? request->url_file : "?";

	fprintf(out, "  name      ");
	if (request->registry_name)
		write_clean(out, request->registry_name);
	else
		fprintf(out, "(none)");
	switch (request->url_source) {
	case URL_SOURCE_UNKNOWN:
		fprintf(out, ", and cargo does not say which file gives it this index");
		break;
	case URL_SOURCE_GIVEN:
		fprintf(out, ", index given on the command line or built in");
		break;
	case URL_SOURCE_USER:
		fprintf(out, ", from your own ");
		write_clean(out, from);
		break;
	case URL_SOURCE_PROJECT:
		fprintf(out, ", from the PROJECT's file ");
		write_clean(out, from);
		break;
	case URL_SOURCE_ENVIRONMENT:
		fprintf(out, ", from the ENVIRONMENT variable ");
		write_clean(out, from);
		break;
	case _URL_SOURCE_MAX:
	case _URL_SOURCE_INVALID:
		break;
	}
	(void) fputc('\n', out);
}

static void write_network(FILE *out, const struct request *request) {
	if (request->ca_pem) {
		fprintf(out, "  CA        ");
		write_clean(out, request->ca_file ? request->ca_file : "given");
		fprintf(out, " (%zu bytes, sealed with the account)\n", strlen(request->ca_pem));
	}
	if (request->proxy) {
		fprintf(out, "  proxy     ");
		write_clean(out, request->proxy);
		fprintf(out, " (sealed with the account)\n");
	}
}

/* Where a person gets a token. Shown, never opened: the registry, or whoever asks, wrote it. */
static void write_token_page(FILE *out, const struct session *session) {
	const struct request *request = session->request;

	if (registry_url_is_crates_io(session->url)) {
		fprintf(out, "  token at  https://crates.io/settings/tokens\n");
	} else if (request->login_url) {
		fprintf(out, "  token at  ");
		write_clean(out, request->login_url);
		fprintf(out, " (claimed)\n");
	}
}

int login_text(const struct session *session, const char *account, bool replaces,
	const struct pin *pin, char **ret) {
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	const char *dl = pin_dl(pin);
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, replaces ? "cpub-agent: replace the token of this account?\n"
			      : "cpub-agent: log in to this registry?\n");
	fprintf(out, "  index     %s\n", session->url);
	fprintf(out, "  api       %s%s\n", pin_api(pin),
		pin_is_elsewhere(pin) ? "   (on ANOTHER HOST than the index)" : "");
	fprintf(out, "  dl        %s\n", dl ? dl : "(not asked)");
	fprintf(out, "  account   %s\n", account);
	write_token_page(out, session);
	write_source(out, session->request);
	write_network(out, session->request);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}
