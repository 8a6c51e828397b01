#pragma once

/*
 * Names that come from outside and go into texts, URLs and look-ups: crate
 * names, versions, checksums, account names, registry URLs. Each is checked
 * here before anything else touches it.
 */

#include <stdbool.h>
#include <stddef.h>

/* What cargo sends; `sparse+https://index.crates.io/`, from which it downloads, is the same registry. */
#define CRATES_IO_INDEX "https://github.com/rust-lang/crates.io-index"
/* What cargo calls it, which no configuration has to say. */
#define CRATES_IO_NAME "crates-io"

/* Longest registry, api or dl URL that we take, in bytes. */
#define URL_MAX 1024
/* Longest token and passphrase, in bytes. */
#define TOKEN_MAX 1024
/* Longest token of a signed request, which claims names and a URL: each at its longest. */
#define SIGNED_TOKEN_MAX 2816
/* Longest text of a private key that is taken, in bytes; one of P-384 as PEM has some 300. */
#define KEY_TEXT_MAX 4096

/* The account that is meant where none is named. */
#define ACCOUNT_DEFAULT "default"

/* 1 to 64 of [A-Za-z0-9_-], the first a letter (crates_io_validation, crates.io). */
bool crate_name_is_valid(const char *name);
/* Semantic Versioning 2.0.0, at most 150 bytes (crates.io's limit). */
bool semver_is_valid(const char *version);
/* Below 0, 0, above 0, as in strcmp, for two valid ones: by section 11, so without build metadata. */
int semver_compare(const char *a, const char *b);
/*
 * An owner's login, 1 to 128 bytes of printable ASCII without space, quote and backslash. With a
 * colon it is a team, three parts that are not empty and have no slash: `github:org:team`.
 */
bool owner_login_is_valid(const char *login);
/* 64 lower-case hexadecimal digits, as cargo sends `cksum`. */
bool sha256_hex_is_valid(const char *text);
/* 1 to 64 of [A-Za-z0-9._-], the first a letter or digit. Ours; shown in prompts. */
bool account_name_is_valid(const char *name);
/* 1 to TOKEN_MAX bytes of 0x20 to 0x7e: what cargo takes in an Authorization header, less TAB. */
bool token_is_valid(const void *bytes, size_t size);
/*
 * A token of a signed request, as PASETO writes it: `v3.public.` and more of [A-Za-z0-9_.-], at
 * most SIGNED_TOKEN_MAX bytes in all. It says nothing of the signature.
 */
bool signed_token_is_valid(const void *bytes, size_t size);

/*
 * A private key that somebody took for a token: PASERK `kN.secret…`, or PEM. None of the
 * registries that we know gives out tokens of that form.
 */
bool token_is_private_key(const void *bytes, size_t size);

/*
 * What a registry gives out to be claimed in a signed request, a subject or a challenge: 1 to
 * 256 bytes of printable ASCII without space, quote and backslash.
 */
bool claim_is_valid(const char *text);

/* What follows is in url.c. */

/*
 * Checks the raw text of an index URL (https, or http; `sparse+` before either;
 * no userinfo, query or fragment; host in lower-case ASCII or a bracketed IPv6
 * address; port 1-65535 in plain digits and not the scheme's own; path without
 * `//`, `.`, `..` or characters that a serialised URL would escape) and gives
 * its canonical form: no trailing slash; for git indexes no `.git`, and lower
 * case on github.com; both names of crates.io become CRATES_IO_INDEX.
 * So sparse URLs are kept without the slash that cargo wants at their end, and
 * `sparse+https://h/i/` and `https://h/i` stay two registries, as in cargo. A
 * host that some program reads as an IPv4 address (127.1, 0x7f000001) is odd
 * unless it is four plain decimals; so are `a.git.git` and a name of only `.git`.
 * Returns 0 and the text in *ret (caller frees), -EINVAL for anything odd, -ENOMEM.
 */
int registry_url_canonical(const char *raw, char **ret);

/* These take canonical registry URLs. */
bool registry_url_is_crates_io(const char *url);
bool registry_url_is_sparse(const char *url);
/*
 * Where a sparse index lies, without a slash at its end: within `url`, or the sparse
 * one of crates.io. NULL for a git index.
 */
const char *registry_url_sparse_root(const char *url);
/* http instead of https. */
bool registry_url_is_plain_http(const char *url);
/* The host is localhost, 127.0.0.0/8 or [::1]. */
bool registry_url_is_loopback(const char *url);

/*
 * Checks an `api` or `dl` URL of an index's config.json: the rules of
 * registry_url_canonical without `sparse+`; `{`, `}` and `%XX` are allowed in
 * the path (dl has markers), but no `%XX` of a control byte or a dot. A trailing
 * slash is cut, `.git` and the case are left. Caller frees *ret.
 */
int web_url_canonical(const char *raw, char **ret);

/*
 * "https://host[:port]" of a canonical URL, without `sparse+`: for crates.io that
 * of its git index, github.com. 0, -EINVAL or -ENOMEM.
 */
int url_origin(const char *url, char **ret);
/* "host[:port]" of a canonical URL. 0, -EINVAL or -ENOMEM. */
int url_host(const char *url, char **ret);
