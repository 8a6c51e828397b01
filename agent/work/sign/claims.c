#include "claims.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/fields.h"
#include "protocol/json.h"
#include "protocol/names.h"

/* The last second of the year 9999: RFC 3339 has four digits. */
#define ISSUED_MAX 253402300799u

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const char *const mutations[] = {
	[OPERATION_READ] = NULL,
	[OPERATION_PUBLISH] = "publish",
	[OPERATION_YANK] = "yank",
	[OPERATION_UNYANK] = "unyank",
	[OPERATION_OWNERS] = "owners",
};

static int read_numbers(const struct fields *task, struct claims *claims) {
	uint64_t operation, footer_key;

	int r = fields_get_u64(task, FIELD_OPERATION, &operation);
	if (r == 0)
		r = fields_get_u64(task, FIELD_FOOTER_KEY, &footer_key);
	if (r == 0)
		r = fields_get_u64(task, FIELD_ISSUED, &claims->issued);
	if (r < 0)
		return r;
	if (operation >= _OPERATION_MAX || footer_key >= _FOOTER_KEY_MAX ||
		claims->issued > ISSUED_MAX)
		return -EBADMSG;
	claims->operation = (enum operation) operation;
	claims->footer_key = (enum footer_key) footer_key;
	return 0;
}

static int read_texts(const struct fields *task, struct claims *claims) {
	const struct {
		enum field tag;
		char **to;
	} texts[] = {
		{FIELD_CRATE, &claims->crate},
		{FIELD_VERSION, &claims->version},
		{FIELD_CHECKSUM, &claims->checksum},
		{FIELD_SUBJECT, &claims->subject},
		{FIELD_CHALLENGE, &claims->challenge},
		{FIELD_INDEX_URL, &claims->index_url},
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		int r = fields_get_string(task, (uint8_t) texts[i].tag, texts[i].to);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* Exactly what the operation needs: a claim too many is signed as well. */
static bool claims_are_complete(const struct claims *claims) {
	const enum operation operation = claims->operation;

	return !!claims->crate == operation_has_crate(operation) &&
	       !!claims->version == operation_has_version(operation) &&
	       !!claims->checksum == operation_has_checksum(operation) && claims->index_url;
}

static enum refusal claims_check(const struct claims *claims, char **ret_detail) {
	const char *bad = NULL;
	_cleanup_(freep) char *canonical = NULL;

	if (claims->crate && !crate_name_is_valid(claims->crate))
		bad = "the crate's name";
	else if (claims->version && !semver_is_valid(claims->version))
		bad = "the version";
	else if (claims->checksum && !sha256_hex_is_valid(claims->checksum))
		bad = "the checksum";
	else if (claims->subject && !claim_is_valid(claims->subject))
		bad = "the subject";
	else if (claims->challenge && !claim_is_valid(claims->challenge))
		bad = "the registry's challenge";
	if (bad) {
		*ret_detail = strdup(bad);
		return REFUSAL_BAD_NAME;
	}
	/* The token says the URL as it came, which the registry compares; this only checks it. */
	int r = registry_url_canonical(claims->index_url, &canonical);
	if (r < 0)
		return r == -EINVAL ? REFUSAL_BAD_URL : refusal_from_errno(r);
	return REFUSAL_NONE;
}

enum refusal claims_read(const struct fields *task, struct claims *ret, char **ret_detail) {
	_cleanup_(claims_done) struct claims claims = {0};

	int r = read_numbers(task, &claims);
	if (r == 0)
		r = read_texts(task, &claims);
	if (r < 0 || !claims_are_complete(&claims))
		return r == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_INTERNAL;
	enum refusal refusal = claims_check(&claims, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	*ret = claims;
	claims = (struct claims){0};
	return REFUSAL_NONE;
}

void claims_done(struct claims *claims) {
	free(claims->crate);
	free(claims->version);
	free(claims->checksum);
	free(claims->subject);
	free(claims->challenge);
	free(claims->index_url);
	*claims = (struct claims){0};
}

static void write_if_there(struct json_writer *json, const char *name, const char *value) {
	if (value)
		json_write_string(json, name, value);
}

/* Without the end of the line. */
static int take_text(struct json_writer *json, char **ret) {
	int r = json_writer_finish(json);
	if (r < 0)
		return r;
	char *text = strndup(json_writer_bytes(json), json->size - 1);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

int claims_message(const struct claims *claims, char **ret) {
	_cleanup_(json_writer_done) struct json_writer json;
	char issued[] = "0000-00-00T00:00:00Z";
	const time_t second = (time_t) claims->issued;
	struct tm utc;

	json_writer_init(&json, false);
	if (!gmtime_r(&second, &utc) ||
		strftime(issued, sizeof(issued), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		return -ERANGE;
	json_write_object(&json, NULL);
	json_write_string(&json, "iat", issued);
	write_if_there(&json, "sub", claims->subject);
	write_if_there(&json, "mutation", mutations[claims->operation]);
	write_if_there(&json, "name", claims->crate);
	write_if_there(&json, "vers", claims->version);
	write_if_there(&json, "cksum", claims->checksum);
	write_if_there(&json, "challenge", claims->challenge);
	json_write_object_end(&json);
	return take_text(&json, ret);
}

int claims_footer(const struct claims *claims, const char *id, char **ret) {
	/* The RFC's text says `kid`; cargo, and the registry that it is tested with, say `kip`. */
	static const char *const names[] = {[FOOTER_KIP] = "kip", [FOOTER_KID] = "kid"};
	_cleanup_(json_writer_done) struct json_writer json;

	json_writer_init(&json, false);
	json_write_object(&json, NULL);
	json_write_string(&json, "url", claims->index_url);
	json_write_string(&json, names[claims->footer_key], id);
	json_write_object_end(&json);
	return take_text(&json, ret);
}
