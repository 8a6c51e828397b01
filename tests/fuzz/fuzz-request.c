/*
 * What request_parse takes holds only names that are safe to use and, written
 * and read again, is the same request; what it does not take, it refuses with
 * one of the refusals and without a request.
 */

#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"

static bool same(const char *a, const char *b) {
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_names(const struct request *request) {
	check(request->kind >= 0 && request->kind < _KIND_MAX);
	check(!kind_row(request->kind)->has_registry || request->index_url);
	check(!request->account || account_name_is_valid(request->account));
	check(!request->token ||
		token_is_valid(secret_peek(request->token), secret_size(request->token)));
	if (request->kind != KIND_GET || request->operation == OPERATION_READ)
		return;
	check(request->operation > 0 && request->operation < _OPERATION_MAX);
	check(crate_name_is_valid(request->crate));
	if (request->operation == OPERATION_OWNERS)
		return;
	check(semver_is_valid(request->version));
	if (request->operation == OPERATION_PUBLISH)
		check(sha256_hex_is_valid(request->checksum));
}

static void check_same(const struct request *a, const struct request *b) {
	check(a->kind == b->kind && a->operation == b->operation);
	check(same(a->index_url, b->index_url) && same(a->registry_name, b->registry_name));
	check(same(a->account, b->account) && same(a->crate, b->crate));
	check(same(a->version, b->version) && same(a->checksum, b->checksum));
	check(same(a->login_url, b->login_url) && same(a->url_file, b->url_file));
	check(a->url_source == b->url_source && a->allow_http == b->allow_http);
	check(same(a->api, b->api) && same(a->ca_pem, b->ca_pem) && same(a->ca_file, b->ca_file));
	check(same(a->proxy, b->proxy) && same(a->store, b->store) && a->all == b->all);
	check(a->no_passphrase == b->no_passphrase && a->secret_in_pipe == b->secret_in_pipe);
	/* Neither is ever written. */
	check(!b->token && !b->has_headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(request_freep) struct request *request = NULL;
	_cleanup_(request_freep) struct request *again = NULL;
	_cleanup_(json_writer_done) struct json_writer writer;
	int r;

	json_writer_init(&writer, false);
	r = request_parse((const char *) bytes, size, &request);
	check(r >= 0 && r < _REFUSAL_MAX);
	check((r == 0) == (request != NULL));
	if (r != 0)
		return 0;
	check_names(request);

	request_write(&writer, request);
	check(json_writer_finish(&writer) == 0);
	check(request_parse(json_writer_bytes(&writer), writer.size - 1, &again) == 0);
	check_same(request, again);
	return 0;
}
