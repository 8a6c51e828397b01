#pragma once

/*
 * How a registry is reached: a private CA and a proxy. They are read when a
 * person logs in and kept with the account, and only from the environment and
 * the user's own cargo configuration: a checked-out project must not choose
 * where a token goes.
 */

#include "protocol/cleanup.h"

struct cargo_config;
struct request;

/* Longest file of certificates: it has to fit into one request. */
#define NETWORK_CA_MAX ((size_t) 48 * 1024)

/* Texts are NULL where nothing is set. */
struct network {
	char *ca_pem;
	char *ca_file;
	char *proxy;
	char *proxy_source; /* the file or variable */
	/* What a project file sets and we do not heed, for people. */
	char *ignored;
};

/*
 * Returns 0 and *ret (done with network_done), -EINVAL with a sentence in
 * *ret_error (caller frees), -ENOMEM. `index_url` decides between https_proxy
 * and http_proxy, and is compared with no_proxy.
 */
int network_read(const struct cargo_config *config, const char *index_url, struct network *ret,
	char **ret_error);
/* Moves what the agent is told into the request. */
void network_give(struct network *network, struct request *request);
void network_done(struct network *network);
