/*
 * cargo's order (src/util/network/http.rs and proxy.rs): http.cainfo and
 * http.proxy, whose environment forms win over the files; where they are absent,
 * what libcurl itself reads. git's own http.proxy is not read here.
 */

#include "network.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "complaint.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/toml.h"
#include "small_file.h"

/*
 * The value of `key` in the user's own files. 0, with NULL in *ret_value if it
 * is nowhere, or -EINVAL and a sentence. *ret_file is borrowed.
 */
static int find_in_user_files(const struct cargo_config *config, const char *key, char **ret_value,
	const struct cargo_file **ret_file, char **ret_error) {
	*ret_value = NULL;
	for (size_t i = 0; i < config->n_files; i++) {
		const struct cargo_file *file = &config->files[i];
		int r;

		if (file->source != URL_SOURCE_USER)
			continue;
		r = toml_get_string(file->document, key, ret_value);
		if (r == -ENOENT)
			continue;
		if (r == -EBADMSG)
			return complaint_make(ret_error, "'%s' line %u: %s is not a text",
				file->path, toml_line(file->document, key), key);
		*ret_file = file;
		return r;
	}
	return 0;
}

/* What project files set, as "http.proxy in '/p/.cargo/config.toml', …"; NULL if nothing. */
static int find_ignored(const struct cargo_config *config, char **ret) {
	static const char *const keys[] = {"http.proxy", "http.cainfo"};
	_cleanup_(freep) char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_files; i++) {
		if (config->files[i].source == URL_SOURCE_USER)
			continue;
		for (size_t j = 0; j < 2; j++) {
			if (toml_line(config->files[i].document, keys[j]) > 0)
				fprintf(file, "%s%s in '%s'", ftell(file) > 0 ? ", " : "", keys[j],
					config->files[i].path);
		}
	}
	if (fclose(file) != 0)
		return -ENOMEM;
	*ret = size > 0 ? TAKE_PTR(text) : NULL;
	return 0;
}

/* The system's own bundles: naming one of them is the same as naming none. */
static bool is_system_bundle(const char *path) {
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/ssl/cert.pem",
		"/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/certs/ca-bundle.crt",
	};
	char real[PATH_MAX], bundle[PATH_MAX];

	if (!realpath(path, real))
		return false;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++) {
		if (realpath(bundles[i], bundle) && strcmp(real, bundle) == 0)
			return true;
	}
	return false;
}

static int read_ca(const char *path, const char *from, struct network *network, char **ret_error) {
	_cleanup_(freep) char *pem = NULL;
	size_t size;
	int r;

	if (is_system_bundle(path))
		return 0;
	r = small_file_read(path, NETWORK_CA_MAX, &pem, &size);
	if (r == -E2BIG)
		return complaint_make(ret_error,
			"the CA file '%s' (%s) is longer than 48 KiB; name a file with only the "
			"certificates that the registry needs in CARGO_HTTP_CAINFO",
			path, from);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return complaint_make(ret_error, "the CA file '%s' (%s) cannot be read: %s", path,
			from, strerror(-r));
	if (strlen(pem) != size || !strstr(pem, "-----BEGIN CERTIFICATE-----"))
		return complaint_make(
			ret_error, "the CA file '%s' (%s) holds no PEM certificate", path, from);
	if (strstr(pem, "PRIVATE KEY-----"))
		return complaint_make(ret_error,
			"the CA file '%s' (%s) holds a private key; name a file with certificates "
			"only",
			path, from);
	network->ca_file = strdup(path);
	if (!network->ca_file)
		return -ENOMEM;
	network->ca_pem = TAKE_PTR(pem);
	return 0;
}

/* Relative paths of variables start at the current folder, those of a file at its root. */
static int find_ca(const struct cargo_config *config, struct network *network, char **ret_error) {
	const char *variable = getenv("CARGO_HTTP_CAINFO");
	const struct cargo_file *file = NULL;
	_cleanup_(freep) char *value = NULL, *path = NULL;
	int r;

	if (variable && *variable)
		return read_ca(variable, "CARGO_HTTP_CAINFO", network, ret_error);
	r = find_in_user_files(config, "http.cainfo", &value, &file, ret_error);
	if (r < 0)
		return r;
	if (value && *value) {
		if (asprintf(&path, "%s%s%s", value[0] == '/' ? "" : file->root,
			    value[0] == '/' ? "" : "/", value) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		return read_ca(path, file->path, network, ret_error);
	}
	variable = getenv("SSL_CERT_FILE");
	if (variable && *variable)
		return read_ca(variable, "SSL_CERT_FILE", network, ret_error);
	return 0;
}

/* One word of no_proxy: a host or a domain, perhaps with a dot before it (curl(1), --noproxy). */
static bool word_matches(const char *word, size_t word_size, const char *host) {
	size_t host_size = strlen(host);

	if (word_size > 0 && word[0] == '.') {
		word++;
		word_size--;
	}
	if (word_size == 1 && word[0] == '*')
		return true;
	if (word_size == 0 || word_size > host_size)
		return false;
	if (strncasecmp(host + host_size - word_size, word, word_size) != 0)
		return false;
	return word_size == host_size || host[host_size - word_size - 1] == '.';
}

static bool is_without_proxy(const char *host) {
	const char *list = getenv("no_proxy");

	if (!list)
		list = getenv("NO_PROXY");
	while (list && *list) {
		size_t size = strcspn(list, ", ");

		if (word_matches(list, size, host))
			return true;
		list += size + strspn(list + size, ", ");
	}
	return false;
}

/* The host of an index URL, without its port. An odd URL gets none: the agent will refuse it. */
static int host_of(const char *index_url, char **ret) {
	_cleanup_(freep) char *canonical = NULL, *host = NULL;
	char *colon;
	int r;

	r = registry_url_canonical(index_url, &canonical);
	if (r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	r = url_host(canonical, &host);
	if (r < 0)
		return r;
	colon = strrchr(host, ':');
	if (colon && !strchr(colon, ']'))
		*colon = '\0';
	*ret = TAKE_PTR(host);
	return 0;
}

/* "[protocol://]host[:port]": we neither keep nor show a proxy's password. */
static int take_proxy(
	const char *value, const char *source, struct network *network, char **ret_error) {
	if (strchr(value, '@'))
		return complaint_make(ret_error,
			"the proxy from %s carries a user name or password, which cpub-agent does "
			"not "
			"keep; use a proxy without one",
			source);
	network->proxy = strdup(value);
	network->proxy_source = strdup(source);
	return network->proxy && network->proxy_source ? 0 : -ENOMEM;
}

static int find_proxy(const struct cargo_config *config, const char *index_url,
	struct network *network, char **ret_error) {
	static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	/* Never HTTP_PROXY in capitals: a web server sets that from a request's header. */
	static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
	bool is_https = strstr(index_url, "https://") != NULL;
	const char *variable = getenv("CARGO_HTTP_PROXY");
	const struct cargo_file *file = NULL;
	_cleanup_(freep) char *value = NULL, *host = NULL;
	int r;

	r = host_of(index_url, &host);
	if (r < 0)
		return r;
	if (host && is_without_proxy(host))
		return 0;
	/* An empty value says "no proxy" and ends the search, as in curl. */
	if (variable)
		return *variable ? take_proxy(variable, "CARGO_HTTP_PROXY", network, ret_error) : 0;
	r = find_in_user_files(config, "http.proxy", &value, &file, ret_error);
	if (r < 0)
		return r;
	if (value)
		return *value ? take_proxy(value, file->path, network, ret_error) : 0;
	for (size_t i = 0; i < 4; i++) {
		const char *name = is_https ? https[i] : http[i];

		variable = name ? getenv(name) : NULL;
		if (variable && *variable)
			return take_proxy(variable, name, network, ret_error);
	}
	return 0;
}

int network_read(const struct cargo_config *config, const char *index_url, struct network *ret,
	char **ret_error) {
	_cleanup_(network_done) struct network network = {0};
	int r;

	r = find_ca(config, &network, ret_error);
	if (r < 0)
		return r;
	r = find_proxy(config, index_url, &network, ret_error);
	if (r < 0)
		return r;
	r = find_ignored(config, &network.ignored);
	if (r < 0)
		return r;
	*ret = network;
	network = (struct network){0};
	return 0;
}

void network_give(struct network *network, struct request *request) {
	request->ca_pem = TAKE_PTR(network->ca_pem);
	request->ca_file = TAKE_PTR(network->ca_file);
	request->proxy = TAKE_PTR(network->proxy);
}

void network_done(struct network *network) {
	free(network->ca_pem);
	free(network->ca_file);
	free(network->proxy);
	free(network->proxy_source);
	free(network->ignored);
	*network = (struct network){0};
}
