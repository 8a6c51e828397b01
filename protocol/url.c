#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/*
 * URLs are checked as raw text and only then taken apart, and what passes is
 * already in the form in which every URL library would print it. So two of them
 * are one registry exactly if their canonical texts are equal.
 */

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* RFC 1035, section 2.3.4, less the final dot. */
#define HOST_MAX 253
#define HOST_LABEL_MAX 63

#define SPARSE "sparse+"
#define HTTP "http://"
#define HTTPS "https://"
#define GIT ".git"

/* RFC 3986 `pchar`: a registry's path without `%`, which only web URLs may have. */
#define PATH_PLAIN LOWER UPPER DIGITS "-._~!$&'()*+,;=:@"
/* What RFC 3986 would have escaped, but the `dl` of cargo's index format uses. */
#define PATH_MARKERS "{}"

struct span {
	const char *at;
	size_t size;
};

/* The parts of one raw text; the path runs to its end and may be empty. */
struct url {
	bool is_sparse;
	bool is_plain_http;
	const char *origin;
	struct span authority;
	struct span host;
	const char *path;
};

static bool starts_with(const char *text, const char *prefix) {
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool span_equal(struct span span, const char *text) {
	return span.size == strlen(text) && memcmp(span.at, text, span.size) == 0;
}

static bool span_ends_with(struct span span, const char *end) {
	size_t size = strlen(end);

	return span.size >= size && memcmp(span.at + span.size - size, end, size) == 0;
}

/* The part of a text that is of that alphabet. */
static struct span span_of(const char *text, const char *alphabet) {
	return (struct span){text, strspn(text, alphabet)};
}

/* Spans lie inside texts that end with a NUL, and a NUL is of no alphabet. */
static bool span_is_of(struct span span, const char *alphabet) {
	return strspn(span.at, alphabet) >= span.size;
}

/* Whether the text is an address exactly as the C library would print it. */
static bool address_is_serialised(int family, struct span span) {
	char text[INET6_ADDRSTRLEN] = "", printed[INET6_ADDRSTRLEN];
	struct in6_addr address; /* Has room for either family. */

	if (span.size >= sizeof(text))
		return false;
	memcpy(text, span.at, span.size);
	return inet_pton(family, text, &address) == 1 &&
		inet_ntop(family, &address, printed, sizeof(printed)) && strcmp(text, printed) == 0;
}

/*
 * A bracketed address. The C library prints those that carry an IPv4 address
 * with dots and a URL library in hexadecimal: in neither form do we take them.
 */
static bool host_is_ipv6(struct span host) {
	struct span inner = {host.at + 1, host.size - 2};

	return host.size > 2 && *host.at == '[' && host.at[host.size - 1] == ']' &&
		span_is_of(inner, DIGITS "abcdef:") && address_is_serialised(AF_INET6, inner);
}

/*
 * URL Standard, "ends in a number": 127.1, 0x7f000001, 2130706433 and 0177.0.0.1
 * all mean an IPv4 address to some program. Only its usual form is taken.
 */
static bool label_is_numeric(struct span label) {
	if (label.size >= 2 && label.at[0] == '0' && label.at[1] == 'x')
		return span_is_of((struct span){label.at + 2, label.size - 2}, DIGITS "abcdef");
	return span_is_of(label, DIGITS);
}

/* Labels between dots, without a final dot: with one it would be the same host under two names. */
static bool host_is_name(struct span host) {
	const char *end = host.at + host.size;
	const char *at = host.at;

	if (host.size > HOST_MAX)
		return false;
	for (;;) {
		struct span label = span_of(at, LOWER DIGITS "-_");

		if (label.size == 0 || label.size > HOST_LABEL_MAX || *label.at == '-' ||
			label.at[label.size - 1] == '-')
			return false;
		at += label.size;
		if (at == end)
			return !label_is_numeric(label);
		if (*at++ != '.')
			return false;
	}
}

/* A colon and a port that is not the scheme's own. */
static bool port_is_valid(struct span port, bool is_plain_http) {
	struct span digits;
	unsigned long number;

	if (*port.at != ':')
		return false;
	digits = span_of(port.at + 1, DIGITS);
	if (digits.size + 1 != port.size || digits.size < 1 || *digits.at == '0')
		return false;
	/* An overflow gives ULONG_MAX, which is too large as well. */
	number = strtoul(digits.at, NULL, 10);
	return number <= UINT16_MAX && number != (is_plain_http ? 80 : 443);
}

/*
 * Takes a URL apart and checks all but the path. What does not belong into an
 * authority (user, query, backslash, white space) is found there as a byte
 * that no host has.
 */
static bool url_split(const char *raw, struct url *ret) {
	struct url url = {.is_sparse = starts_with(raw, SPARSE)};
	struct span port;

	if (strnlen(raw, URL_MAX + 1) > URL_MAX)
		return false;
	url.origin = raw + (url.is_sparse ? strlen(SPARSE) : 0);
	url.is_plain_http = starts_with(url.origin, HTTP);
	if (!url.is_plain_http && !starts_with(url.origin, HTTPS))
		return false;

	url.authority.at = url.origin + strlen(url.is_plain_http ? HTTP : HTTPS);
	url.authority.size = strcspn(url.authority.at, "/");
	url.path = url.authority.at + url.authority.size;

	url.host.at = url.authority.at;
	url.host.size = strcspn(url.host.at, *url.host.at == '[' ? "]/" : ":/");
	if (url.host.at[url.host.size] == ']')
		url.host.size++;
	port.at = url.host.at + url.host.size;
	port.size = url.authority.size - url.host.size;

	if (!host_is_name(url.host) && !address_is_serialised(AF_INET, url.host) &&
		!host_is_ipv6(url.host))
		return false;
	if (port.size > 0 && !port_is_valid(port, url.is_plain_http))
		return false;
	*ret = url;
	return true;
}

/* `%XX` of a byte that has to be escaped to stand in a path, which control bytes may not. */
static bool escape_is_valid(const char *at) {
	char digits[3] = "";
	unsigned long byte;

	if (strspn(at + 1, DIGITS "abcdefABCDEF") < 2)
		return false;
	memcpy(digits, at + 1, 2);
	byte = strtoul(digits, NULL, 16);
	/* An escaped dot would make a `..` that servers see and we do not. */
	return byte >= 0x20 && byte != 0x7f && byte != '.';
}

static bool segment_is_valid(struct span segment, bool is_web) {
	const char *at = segment.at;
	const char *end = segment.at + segment.size;

	if (segment.size == 0 || span_equal(segment, ".") || span_equal(segment, ".."))
		return false;
	while (at != end) {
		size_t size = strspn(at, is_web ? PATH_PLAIN PATH_MARKERS : PATH_PLAIN);

		if (size == 0 && is_web && *at == '%' && escape_is_valid(at))
			size = 3;
		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

/* Empty, or segments that each follow a slash; one more slash may come last. */
static bool path_is_valid(const char *path, bool is_web) {
	const char *at = path;

	while (*at == '/' && at[1] != '\0') {
		struct span segment = {at + 1, strcspn(at + 1, "/")};

		if (!segment_is_valid(segment, is_web))
			return false;
		at = segment.at + segment.size;
	}
	return true;
}

static void path_cut_slash(char *path) {
	size_t size = strlen(path);

	if (size > 0 && path[size - 1] == '/')
		path[size - 1] = '\0';
}

/*
 * Cuts `.git` off the end, once, as cargo does. Returns false if what is left
 * would be another registry's name for cargo, or no name at all.
 */
static bool path_cut_git(char *path) {
	struct span rest = {path, strlen(path)};
	struct span last;

	if (!span_ends_with(rest, GIT))
		return true;
	rest.size -= strlen(GIT);
	path[rest.size] = '\0';
	last.at = strrchr(path, '/') + 1;
	last.size = strlen(last.at);
	return segment_is_valid(last, false) && !span_ends_with(last, GIT);
}

/* GitHub takes every case for the same repository, and so does cargo. */
static void path_lower_case(char *path) {
	for (; *path; path++) {
		if (*path >= 'A' && *path <= 'Z')
			*path = (char) (*path - 'A' + 'a');
	}
}

int registry_url_canonical(const char *raw, char **ret) {
	_cleanup_(freep) char *text = NULL;
	struct url url;
	char *path;

	if (!url_split(raw, &url) || !path_is_valid(url.path, false))
		return -EINVAL;
	text = strdup(raw);
	if (!text)
		return -ENOMEM;
	path = text + (url.path - raw);

	path_cut_slash(path);
	if (!url.is_sparse) {
		if (span_equal(url.authority, "github.com"))
			path_lower_case(path);
		if (!path_cut_git(path))
			return -EINVAL;
	} else if (strcmp(text, SPARSE HTTPS "index.crates.io") == 0) {
		free(text);
		text = strdup(CRATES_IO_INDEX);
		if (!text)
			return -ENOMEM;
	}
	*ret = TAKE_PTR(text);
	return 0;
}

bool registry_url_is_crates_io(const char *url) {
	return strcmp(url, CRATES_IO_INDEX) == 0;
}

bool registry_url_is_sparse(const char *url) {
	return starts_with(url, SPARSE);
}

const char *registry_url_sparse_root(const char *url) {
	if (registry_url_is_crates_io(url))
		return HTTPS "index.crates.io";
	return registry_url_is_sparse(url) ? url + strlen(SPARSE) : NULL;
}

bool registry_url_is_plain_http(const char *url) {
	struct url parts;

	return url_split(url, &parts) && parts.is_plain_http;
}

bool registry_url_is_loopback(const char *url) {
	struct url parts;

	if (!url_split(url, &parts))
		return false;
	return span_equal(parts.host, "localhost") || span_equal(parts.host, "[::1]") ||
		(address_is_serialised(AF_INET, parts.host) && starts_with(parts.host.at, "127."));
}

int web_url_canonical(const char *raw, char **ret) {
	struct url url;
	char *text;

	if (!url_split(raw, &url) || url.is_sparse || !path_is_valid(url.path, true))
		return -EINVAL;
	text = strdup(raw);
	if (!text)
		return -ENOMEM;
	path_cut_slash(text + (url.path - raw));
	*ret = text;
	return 0;
}

static int url_copy(const char *from, const char *to, char **ret) {
	char *text = strndup(from, (size_t) (to - from));

	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

int url_origin(const char *url, char **ret) {
	struct url parts;

	if (!url_split(url, &parts))
		return -EINVAL;
	return url_copy(parts.origin, parts.path, ret);
}

int url_host(const char *url, char **ret) {
	struct url parts;

	if (!url_split(url, &parts))
		return -EINVAL;
	return url_copy(parts.authority.at, parts.path, ret);
}
