/* Reading a request: accounts that sign. */

#include "request_sign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "challenge.h"
#include "json.h"
#include "names.h"
#include "request.h"

/* What one header says. *ret stays NULL where that is none, or an odd one. 0 or a negative errno. */
static int read_challenge(const char *header, char **ret) {
	static const char name[] = "www-authenticate:";
	_cleanup_(freep) char *challenge = NULL;
	int r;

	if (strncasecmp(header, name, strlen(name)) != 0)
		return 0;
	r = challenge_claim(header + strlen(name), &challenge);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (claim_is_valid(challenge))
		*ret = TAKE_PTR(challenge);
	return 0;
}

int request_take_challenge(const struct json *headers, struct request *request) {
	for (const struct json *one = json_first(headers); one; one = json_next(one)) {
		const char *header = json_string(one);
		_cleanup_(freep) char *challenge = NULL;
		int r = header ? read_challenge(header, &challenge) : -EBADMSG;

		if (r < 0)
			return r;
		if (!challenge)
			continue;
		/* Of several that differ whichever was taken may be the wrong one: as in challenge.h. */
		if (request->challenge && strcmp(request->challenge, challenge) != 0) {
			free(request->challenge);
			request->challenge = NULL;
			return 0;
		}
		free(request->challenge);
		request->challenge = TAKE_PTR(challenge);
	}
	return 0;
}

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
	request->has_footer_key = true;
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

static int take_change(const struct json *root, struct request *request) {
	const char *name;
	int r = json_get_string(root, "change", &name);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	request->key_change = key_change_from_name(name);
	return request->key_change == _KEY_CHANGE_INVALID ? -EBADMSG : 0;
}

int request_take_key(const struct json *root, struct request *request) {
	bool is_said;
	int r = take_change(root, request);

	if (r == 0)
		r = json_get_bool(root, "no-subject", &request->no_subject);
	if (r == 0 || r == -ENOENT)
		r = take_subject(root, request);
	if (r == 0)
		r = take_footer_key(root, request);
	if (r != 0)
		return r;
	if (request->subject && request->no_subject)
		return -EBADMSG;
	is_said = request->subject || request->no_subject || request->has_footer_key;
	return is_said == (request->key_change == KEY_SET) ? 0 : -EBADMSG;
}
