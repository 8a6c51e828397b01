#include "config.h"

#include <errno.h>
#include <string.h>

#include "agent/work/frame.h"
#include "protocol/json.h"
#include "protocol/names.h"

static enum refusal config_invalid(const char *why, char **ret_detail) {
	*ret_detail = strdup(why); /* Without memory for it the refusal stands alone. */
	return REFUSAL_INDEX_INVALID;
}

/* Puts the canonical form of a URL that config.json names. -EBADMSG if it is none. */
static int config_put_url(
	const struct json *config, const char *name, enum field field, struct fields *answer) {
	_cleanup_(freep) char *url = NULL;
	const char *raw;

	int r = json_get_string(config, name, &raw);
	if (r < 0)
		return r;
	r = web_url_canonical(raw, &url);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	return fields_put_string(answer, field, url);
}

/* cargo's RegistryConfig: `dl`, `api`, `auth-required`; others are not ours to judge. */
static enum refusal config_put(
	const struct json *config, struct fields *answer, char **ret_detail) {
	bool auth_required = false;

	if (!json_is_object(config))
		return config_invalid("config.json is no JSON object", ret_detail);

	int r = config_put_url(config, "api", FIELD_API, answer);
	if (r == -ENOENT)
		return config_invalid("config.json names no API", ret_detail);
	if (r == -EBADMSG)
		return config_invalid("the API's URL in config.json is malformed", ret_detail);
	if (r < 0)
		return refusal_from_errno(r);
	r = config_put_url(config, "dl", FIELD_DL, answer);
	if (r == -EBADMSG)
		return config_invalid("the download URL in config.json is malformed", ret_detail);
	if (r < 0 && r != -ENOENT)
		return refusal_from_errno(r);
	r = json_get_bool(config, "auth-required", &auth_required);
	if (r == -EBADMSG)
		return config_invalid("`auth-required` in config.json is no boolean", ret_detail);
	r = fields_put_u64(answer, FIELD_AUTH_REQUIRED, auth_required);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

enum refusal config_read(const char *text, size_t size, struct fields *answer, char **ret_detail) {
	_cleanup_(json_freep) struct json *config = NULL;

	int r = json_parse(text, size, &config);
	if (r == -EBADMSG)
		return config_invalid("config.json is not strict JSON", ret_detail);
	if (r < 0)
		return refusal_from_errno(r);
	return config_put(config, answer, ret_detail);
}
