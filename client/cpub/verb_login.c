/*
 * Login: the client finds out which registry is meant and how it is reached,
 * as cargo would; the agent shows that, asks, and stores. The token goes from
 * the terminal or standard input to the agent, never through here.
 */

#include <errno.h>

#include "cargo_config.h"
#include "network.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "registry.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	const char *dl = json_string(json_member(ok, "dl"));

	print_line("Logged in to %s as account '%s'.", verb_index_name(verb_text(ok, "index")),
		verb_text(ok, "account"));
	print_row(&command->print, "index", PRINT_PLAIN, "%s", verb_text(ok, "index"));
	print_row(&command->print, "api", PRINT_PLAIN, "%s", verb_text(ok, "api"));
	if (dl)
		print_row(&command->print, "downloads", PRINT_PLAIN, "%s", dl);
	if (verb_flag(ok, "replaced"))
		print_row(&command->print, "token", PRINT_WARN,
			"replaced the one that was there, which stays valid until it is revoked at "
			"the registry");
	else
		print_row(&command->print, "token", PRINT_GOOD, "stored");
}

static void take_registry(
	const struct command *command, struct registry *registry, struct request *request) {
	if (registry->source == URL_SOURCE_PROJECT || registry->source == URL_SOURCE_ENVIRONMENT ||
		(command->print.is_verbose && registry->file))
		print_note(&command->print, "registry '%s' is %s, named by '%s'", registry->name,
			registry->index_url, registry->file);
	request->index_url = TAKE_PTR(registry->index_url);
	request->registry_name = TAKE_PTR(registry->name);
	request->url_source = registry->source;
	request->url_file = TAKE_PTR(registry->file);
}

static void take_network(
	const struct command *command, struct network *network, struct request *request) {
	if (network->ignored)
		print_note(&command->print,
			"ignoring %s: a project does not choose how a token travels; set it in "
			"your own cargo configuration if you need it",
			network->ignored);
	if (network->ca_file && command->print.is_verbose)
		print_note(&command->print, "private CA from '%s'", network->ca_file);
	if (network->proxy && command->print.is_verbose)
		print_note(&command->print, "proxy %s from '%s'", network->proxy,
			network->proxy_source);
	request->ca_pem = TAKE_PTR(network->ca_pem);
	request->ca_file = TAKE_PTR(network->ca_file);
	request->proxy = TAKE_PTR(network->proxy);
}

static enum exit_code read_configuration(const struct command *command, struct request *request) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(network_done) struct network network = {0};
	_cleanup_(freep) char *error = NULL;
	int r;

	r = cargo_config_load(&config, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	r = registry_resolve(command->registry, command->index, config, &registry, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	r = network_read(config, registry.index_url, &network, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	take_registry(command, &registry, request);
	take_network(command, &network, request);
	return EXIT_DONE;
}

/* A first login makes the store on the way, where a person is there to choose a passphrase. */
static enum exit_code init_first(struct command *command) {
	struct command init = *command;

	print_note(&command->print, "there is no store for tokens yet; making one first");
	init.verb = &verb_init;
	init.print.is_json = false;
	init.print.is_quiet = command->print.is_quiet || command->print.is_json;
	init.store = NULL;
	init.no_passphrase = false;
	init.with_secret = false;
	return verb_init.run(&init);
}

static bool wants_store(const struct command *command, const struct verb_answer *answer) {
	return answer->reply->refusal == REFUSAL_NO_STORE && answer->had_terminal &&
	       !command->with_secret;
}

static enum exit_code ask(struct command *command, const struct request *request) {
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(fd_closep) int secret_fd = -1;
	enum exit_code code;

	code = verb_take_secret(command, &secret_fd);
	if (code != EXIT_DONE)
		return code;
	code = verb_ask(command, request, VERB_LENDS_TERMINAL, secret_fd, &answer);
	if (code != EXIT_DONE)
		return code;
	if (wants_store(command, &answer)) {
		code = init_first(command);
		if (code != EXIT_DONE)
			return code;
		verb_answer_done(&answer);
		code = verb_ask(command, request, VERB_LENDS_TERMINAL, -1, &answer);
		if (code != EXIT_DONE)
			return code;
	}
	return verb_show(command, &answer, show, false);
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOGIN);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->account, command->account) ||
		!verb_set(command, &request->api, command->api))
		return EXIT_FAILED;
	request->allow_http = command->allow_http;
	request->secret_in_pipe = command->with_secret;
	code = read_configuration(command, request);
	return code != EXIT_DONE ? code : ask(command, request);
}

static const struct verb_option options[] = {
	{"registry", 0, true, offsetof(struct command, registry)},
	{"index", 0, true, offsetof(struct command, index)},
	{"account", 0, true, offsetof(struct command, account)},
	{"with-token", 0, false, offsetof(struct command, with_secret)},
	{"api", 0, true, offsetof(struct command, api)},
	{"allow-http", 0, false, offsetof(struct command, allow_http)},
	{NULL, 0, false, 0},
};

const struct verb verb_login = {
	.name = "login",
	.summary = "Store a registry's token",
	.help = "Usage: cpub-agent login [--registry NAME | --index URL] [--account NAME]\n"
		"                        [--with-token] [--api URL] [--allow-http]\n"
		"\n"
		"Looks at the registry's index without a token, shows which API and download URLs "
		"it\n"
		"names, asks for the token and stores it sealed. No option takes a secret itself.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: "
		"crates-io)\n"
		"  --index URL         A registry by its index, sparse+https://… or https://…\n"
		"  --account NAME      A name of your own, for several tokens of one registry\n"
		"                      (the default: default)\n"
		"  --with-token        The first line of standard input is the token\n"
		"  --api URL           The only API that the token may go to\n"
		"  --allow-http        Let the token go over plain http, on this machine only\n"
		"\n"
		"A private CA and a proxy are taken from CARGO_HTTP_CAINFO, CARGO_HTTP_PROXY, your "
		"own\n"
		"cargo configuration, SSL_CERT_FILE and https_proxy, never from a project's file, "
		"and\n"
		"kept with the account.\n",
	.options = options,
	.run = run,
};
