#include "login_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/clean_text.h"
#include "agent/handle/login.h"
#include "agent/keypair.h"
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
		if (*c <= 0x20 || *c > 0x7e)
			return false;
	}
	return true;
}

static void write_source(FILE *out, const struct request *request) {
	const char *from = request->url_file ? request->url_file : "?";

	fprintf(out, "  name      ");
	if (request->registry_name)
		clean_text_write(out, request->registry_name);
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
		clean_text_write(out, from);
		break;
	case URL_SOURCE_PROJECT:
		fprintf(out, ", from the PROJECT's file ");
		clean_text_write(out, from);
		break;
	case URL_SOURCE_ENVIRONMENT:
		fprintf(out, ", from the ENVIRONMENT variable ");
		clean_text_write(out, from);
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
		clean_text_write(out, request->ca_file ? request->ca_file : "given");
		fprintf(out, " (%zu bytes, sealed with the account)\n", strlen(request->ca_pem));
	}
	if (request->proxy) {
		fprintf(out, "  proxy     ");
		clean_text_write(out, request->proxy);
		fprintf(out, " (sealed with the account)\n");
	}
}

/* Where a person gets a token. Shown, never opened: the registry, or whoever asks, wrote it. */
static void write_token_page(FILE *out, const struct login *login) {
	const struct session *session = login->session;
	const char *page = login->token_page ? login->token_page : session->request->login_url;

	if (session->request->is_asymmetric)
		return;
	if (registry_url_is_crates_io(session->url)) {
		fprintf(out, "  token at  https://crates.io/settings/tokens\n");
	} else if (page) {
		fprintf(out, "  token at  ");
		clean_text_write(out, page);
		fprintf(out, " (claimed)\n");
	}
}

/* Its key is made now, so that no registry can know it. */
static bool login_is_unregistered(const struct login *login) {
	const struct request *request = login->session->request;

	return request->is_asymmetric && !request->secret_in_pipe && !pin_api(login->pin);
}

static void write_api(FILE *out, const struct login *login) {
	const struct pin *pin = login_pin(login);
	const char *api = pin_api(pin), *dl = pin_dl(pin);

	if (login_pin(login) == login->pin && login->is_closed && login_is_unregistered(login)) {
		fprintf(out, "  api, dl   told only to who has a registered key: nothing is pinned yet, and no\n"
			     "            act is done, before `cpub-agent trust` with the key registered\n");
		return;
	}
	if (login_pin(login) == login->pin && login->is_closed) {
		fprintf(out, "  api, dl   told only to who has a token; shown before anything is stored\n");
		return;
	}
	fprintf(out, "  api       %s%s\n", api ? api : "(not asked: the account stays unpinned)",
		pin_is_elsewhere(pin) ? "   (on ANOTHER HOST than the index)" : "");
	fprintf(out, "  dl        %s\n", dl ? dl : "(not asked)");
}

/* What it shows the registry, and what the one before it did. */
static void write_credential(FILE *out, const struct login *login) {
	const struct request *request = login->session->request;
	const struct account *old = login->old;

	if (request->is_asymmetric)
		fprintf(out, "  signs     with a key that %s\n",
			request->secret_in_pipe ? "is given" : "is made now");
	if (request->subject) {
		fprintf(out, "  subject   ");
		clean_text_write(out, request->subject);
		(void) fputc('\n', out);
	}
	if (old && account_signs(old))
		fprintf(out, "  before    signed, with the key %s, which is lost then\n",
			old->key->pid);
	if (old && old->next_key)
		fprintf(out, "  and       the next key %s, too\n", old->next_key->pid);
	if (old && account_signs(old) && !request->is_asymmetric)
		fprintf(out, "This account SIGNS its requests. From then on it would send a token instead,\n"
			     "which is worth all that its owner may do to whoever gets hold of it.\n");
	if (old && !account_signs(old) && request->is_asymmetric)
		fprintf(out, "  before    a token, which is removed here and stays good at the registry\n");
}

/* Who else will read the token. */
static void write_readers(FILE *out, const struct login *login) {
	if (login->session->request->is_asymmetric && login->is_marked)
		fprintf(out, "This registry wants a token for every read: any program of yours can have one\n"
			     "signed for reads, build scripts too. None is good for anything else.\n");
	else if (login->session->request->is_asymmetric && login->session->request->for_read)
		fprintf(out, "For reads alone: any program of yours can have a token signed for reads.\n");
	else if (login->session->request->for_read)
		fprintf(out, "For reads alone: any program of yours can read this token, build scripts too.\n");
	else if (login->is_marked)
		fprintf(out, "This registry wants a token for every read: then build scripts can read your\n"
			     "publish token. `cpub-agent login --for read` stores one of its own for reads.\n");
	else if (login->is_auth_required)
		fprintf(out, "Reads go on with the credential of `login --for read`.\n");
}

static void write_told(FILE *out, const struct request *request) {
	struct tm day;
	char text[16];
	time_t when = (time_t) request->expires;

	if (request->expires > 0 && gmtime_r(&when, &day) &&
		strftime(text, sizeof(text), "%Y-%m-%d", &day) > 0)
		fprintf(out, "  expires   %s (as you say)\n", text);
	if (request->scope) {
		fprintf(out, "  scope     ");
		clean_text_write(out, request->scope);
		fprintf(out, " (as you say)\n");
	}
	if (request->crates) {
		fprintf(out, "  crates    ");
		clean_text_write(out, request->crates);
		fprintf(out, " (as you say)\n");
	}
}

int login_text(const struct login *login, char **ret) {
	const struct session *session = login->session;
	const struct request *request = session->request;
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, login->replaces ? "cpub-agent: replace the %s of this account?\n"
				     : "cpub-agent: log in to this registry?\n",
		login->old && account_signs(login->old) ? "key" : "token");
	fprintf(out, "  index     %s\n", session->url);
	write_api(out, login);
	fprintf(out, "  account   %s%s\n", request->account ? request->account : ACCOUNT_DEFAULT,
		request->for_read ? ", for reads alone" : "");
	write_credential(out, login);
	write_told(out, request);
	write_token_page(out, login);
	write_source(out, request);
	write_network(out, request);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	write_readers(out, login);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

int login_text_opened(const struct login *login, char **ret) {
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, "cpub-agent: the index took the %s, and names\n",
		login->session->request->is_asymmetric ? "signed token" : "token");
	write_api(out, login);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static bool is_same(const char *a, const char *b) {
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Of two URLs, in which there is no blank. */
static void write_change(FILE *out, const char *what, const char *old, const char *new) {
	fprintf(out, "  %-10s%s%s\n", what, new ? new : "(none)",
		is_same(old, new) ? ", as before" : "");
	if (!is_same(old, new))
		fprintf(out, "    before  %s\n", old ? old : "(none)");
}

static void write_origin_change(FILE *out, const struct account *old, const struct pin *pin) {
	write_change(out, "api", old->api, pin_api(pin));
	if (pin_is_elsewhere(pin))
		fprintf(out, "            on ANOTHER HOST than the index\n");
	write_change(out, "dl", old->dl, pin_dl(pin));
}

/* By which CA and proxy the index is reached. */
static void write_way(FILE *out, const struct request *request, const struct account *old) {
	write_network(out, request);
	if (!is_same(old->ca_pem, request->ca_pem))
		fprintf(out, "  CA        another than the one that was sealed: %s\n",
			request->ca_pem ? "the one above" : "the system's");
	write_change(out, "proxy", old->proxy, request->proxy);
}

int login_text_trust(const struct session *session, const struct account *old,
	const struct pin *pin, char **ret) {
	const struct request *request = session->request;
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	if (!pin)
		fprintf(out, "cpub-agent: show the index its token for reads, another way than before?\n");
	else
		fprintf(out, "cpub-agent: let %s of this account go there from now on?\n",
			account_signs(old) ? "the signed requests" : "the token");
	fprintf(out, "  index     %s\n", session->url);
	fprintf(out, "  account   %.*s\n", account_given_size(old), old->name);
	if (pin)
		write_origin_change(out, old, pin);
	write_way(out, request, old);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}
