/* Reading a request: accounts that sign. */

#include "request_sign.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "request.h"

static int take_subject(const struct json *root, struct request *request) {
	const char *subject;
	int r = json_get_string(root, "subject", &subject);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!claim_is_valid(subject))
		return REFUSAL_BAD_NAME;
	request->subject = strdup(subject);
	return request->subject ? 0 : -ENOMEM;
}

/* As cargo names it where nothing is said. */
static int take_footer_key(const struct json *root, struct request *request) {
	const char *name;
	int r = json_get_string(root, "footer-key", &name);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	request->wants_kid = strcmp(name, "kid") == 0;
	return request->wants_kid || strcmp(name, "kip") == 0 ? 0 : -EBADMSG;
}

int request_take_signing(const struct json *root, struct request *request) {
	int r = json_get_bool(root, "asymmetric", &request->is_asymmetric);

	if (r == 0 || r == -ENOENT)
		r = take_subject(root, request);
	if (r == 0)
		r = take_footer_key(root, request);
	if (r != 0)
		return r;
	/* What was meant for a key must not be lost on a token. */
	if (!request->is_asymmetric && (request->subject || request->wants_kid))
		return -EBADMSG;
	/* A key comes through a pipe, or is made; never in the request. */
	if (request->is_asymmetric && json_member(root, "token"))
		return -EBADMSG;
	return request->is_asymmetric && (request->secret_in_file || request->secret_in_keyring)
		       ? -EBADMSG
		       : 0;
}

int request_take_key(const struct json *root, struct request *request) {
	const char *name;
	int r = json_get_string(root, "change", &name);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	request->key_change = key_change_from_name(name);
	return request->key_change == _KEY_CHANGE_INVALID ? -EBADMSG : 0;
}
