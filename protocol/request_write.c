/* A request as a line, for clients. */

#include "json.h"
#include "request.h"

static void write_text(struct json_writer *writer, const char *name, const char *value) {
	if (value)
		json_write_string(writer, name, value);
}

static void write_flag(struct json_writer *writer, const char *name, bool value) {
	if (value)
		json_write_bool(writer, name, value);
}

static void write_list(struct json_writer *writer, const char *name, char *const *list) {
	if (!list)
		return;
	json_write_array(writer, name);
	for (; *list; list++)
		json_write_string(writer, NULL, *list);
	json_write_array_end(writer);
}

static void write_releases(struct json_writer *writer, const struct request *request) {
	if (request->n_releases == 0)
		return;
	json_write_array(writer, "releases");
	for (size_t i = 0; i < request->n_releases; i++) {
		json_write_object(writer, NULL);
		json_write_string(writer, "name", request->releases[i].crate);
		json_write_string(writer, "vers", request->releases[i].version);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

void request_write(struct json_writer *writer, const struct request *request) {
	json_write_object(writer, NULL);
	json_write_integer(writer, "v", 1);
	if (request->index_url) {
		json_write_object(writer, "registry");
		json_write_string(writer, "index-url", request->index_url);
		write_text(writer, "name", request->registry_name);
		json_write_object_end(writer);
	}
	json_write_string(writer, "kind", kind_row(request->kind)->name);
	if (request->operation != _OPERATION_INVALID)
		json_write_string(writer, "operation", operation_name(request->operation));
	write_text(writer, "name", request->crate);
	write_text(writer, "vers", request->version);
	write_text(writer, "cksum", request->checksum);
	write_text(writer, "account", request->account);
	write_text(writer, "login-url", request->login_url);
	if (request->url_source != URL_SOURCE_UNKNOWN)
		json_write_string(writer, "url-source", url_source_name(request->url_source));
	write_text(writer, "url-file", request->url_file);
	write_text(writer, "api", request->api);
	write_text(writer, "ca-pem", request->ca_pem);
	write_text(writer, "ca-file", request->ca_file);
	write_text(writer, "proxy", request->proxy);
	write_flag(writer, "allow-http", request->allow_http);
	if (request->for_read)
		json_write_string(writer, "for", "read");
	write_flag(writer, "no-check", request->no_check);
	write_flag(writer, "replace", request->replace);
	if (request->expires > 0)
		json_write_integer(writer, "expires", request->expires);
	write_text(writer, "scope", request->scope);
	write_text(writer, "crates", request->crates);
	write_text(writer, "secret-in-file", request->secret_in_file);
	write_text(writer, "secret-in-keyring", request->secret_in_keyring);
	if (request->from_keyring)
		json_write_string(writer, "from", "keyring");
	write_text(writer, "wipe", request->wipe);
	write_flag(writer, "asymmetric", request->is_asymmetric);
	write_text(writer, "subject", request->subject);
	write_flag(writer, "no-subject", request->no_subject);
	if (request->wants_kid || request->has_footer_key)
		json_write_string(writer, "footer-key", request->wants_kid ? "kid" : "kip");
	if (request->key_change != KEY_SHOW)
		json_write_string(writer, "change", key_change_name(request->key_change));
	write_flag(writer, "all", request->all);
	write_text(writer, "store", request->store);
	write_flag(writer, "no-passphrase", request->no_passphrase);
	write_text(writer, "to", request->to);
	if (request->size_max > 0)
		json_write_integer(writer, "size-max", request->size_max);
	write_flag(writer, "verify", request->will_verify);
	write_flag(writer, "dry-run", request->is_dry_run);
	write_flag(writer, "resume", request->may_resume);
	write_releases(writer, request);
	write_list(writer, "add", request->add);
	write_list(writer, "remove", request->remove);
	write_flag(writer, "forget", request->forget);
	write_flag(writer, "progress", request->wants_progress);
	write_flag(writer, "secret-in-pipe", request->secret_in_pipe);
	json_write_object_end(writer);
}
