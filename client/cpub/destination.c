#include "destination.h"

#include <errno.h>

#include "cargo_config.h"
#include "network.h"
#include "protocol/request.h"
#include "registry.h"
#include "verb.h"

static void tell_source(const struct command *command, const struct registry *registry) {
	if (registry->source == URL_SOURCE_PROJECT || registry->source == URL_SOURCE_ENVIRONMENT ||
		(command->print.is_verbose && registry->file))
		print_note(&command->print, "registry '%s' is %s, named by '%s'", registry->name,
			registry->index_url, registry->file);
}

static void take_registry(
	const struct command *command, struct registry *registry, struct request *request) {
	tell_source(command, registry);
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
	network_give(network, request);
}

enum exit_code destination_fill(const struct command *command, struct request *request) {
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

static void give(struct registry *registry, struct request *request) {
	request->index_url = TAKE_PTR(registry->index_url);
	request->registry_name = TAKE_PTR(registry->name);
}

enum exit_code destination_registry(const struct command *command, struct request *request) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(freep) char *error = NULL;
	int r = 0;

	if (registry_needs_config(command->registry))
		r = cargo_config_load(&config, &error);
	if (r >= 0)
		r = registry_resolve(command->registry, command->index, config, &registry, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	tell_source(command, &registry);
	give(&registry, request);
	return EXIT_DONE;
}

void destination_tell_default(const struct command *command, const struct registry *registry) {
	print_note(&command->print, "no registry was named, so it is '%s', %s: the default by '%s'",
		registry->name, registry->index_url, registry->file);
}

static enum exit_code fill_act(const struct command *command, struct request *request) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(freep) char *error = NULL;
	int r;

	if (command->registry || command->index)
		return destination_registry(command, request);
	r = cargo_config_load(&config, &error);
	if (r == 0)
		r = registry_resolve_default(config, &registry, &error);
	if (r == -ENOENT)
		return destination_registry(command, request);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	destination_tell_default(command, &registry);
	give(&registry, request);
	return EXIT_DONE;
}

enum exit_code destination_run(struct command *command, struct request *request,
	enum exit_code (*judge)(const struct command *command, const struct json *ok)) {
	enum exit_code code;

	if (!verb_set(command, &request->account, command->account))
		return EXIT_FAILED;
	code = fill_act(command, request);
	return code == EXIT_DONE ? verb_run_judged(command, request, judge) : code;
}
