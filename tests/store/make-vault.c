/*
 * make-vault N: a vault with N accounts in the home that the environment names,
 * as if it came with a backup; its passphrase is the first line of standard
 * input. Written at once, for through the agent each account is a save of all,
 * and with the cheapest Argon2id there is, which a test waits for often.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/home.h"
#include "agent/store/cipher.h"
#include "agent/store/ledger.h"
#include "agent/store/manifest.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define PASSPHRASE_MAX 1024

static int derive(const struct kdf *kdf, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *key = NULL;
	char line[PASSPHRASE_MAX];
	int r;

	if (!fgets(line, sizeof(line), stdin))
		return -EINVAL;
	line[strcspn(line, "\n")] = '\0';
	r = secret_new(SEAL_KEY_SIZE, &key);
	if (r < 0)
		return r;
	if (crypto_pwhash(secret_bytes(key), SEAL_KEY_SIZE, line, strlen(line), kdf->salt,
		    kdf->opslimit, kdf->memlimit, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(key);
	return 0;
}

/* The first at "https://registry-0.example/index", with the token "cio-token-0", and so on. */
static int add_account(struct image *image, const struct seal *seal, long i) {
	_cleanup_(account_freep) struct account *account = NULL;
	char url[64], token[32];

	(void) snprintf(url, sizeof(url), "https://registry-%ld.example/index", i);
	(void) snprintf(token, sizeof(token), "cio-token-%ld", i);
	account = account_new(url, ACCOUNT_DEFAULT);
	if (!account)
		return -ENOMEM;
	account->api = strdup(url);
	if (!account->api || secret_from(token, strlen(token), &account->token) < 0)
		return -ENOMEM;
	account->added = 1700000000;
	return ledger_put(image, seal, account);
}

static int write_vault(const struct image *image) {
	_cleanup_(fd_closep) int directory = -1;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;
	int r;

	r = image_encode(image, &bytes, &size);
	if (r == 0)
		r = home_open(HOME_DATA, true, &directory);
	return r < 0 ? r : home_replace(directory, "vault", bytes, size);
}

static int make(long n) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct kdf kdf;
	int r;

	r = cipher_init();
	if (r < 0)
		return r;
	kdf_init(&kdf);
	kdf.opslimit = crypto_pwhash_argon2id_OPSLIMIT_MIN;
	kdf.memlimit = crypto_pwhash_argon2id_MEMLIMIT_MIN;
	r = derive(&kdf, &key);
	if (r == 0)
		r = seal_new(&kdf, key, &seal);
	if (r == 0)
		r = ledger_new(seal, &image);
	for (long i = 0; r == 0 && i < n; i++)
		r = add_account(image, seal, i);
	if (r == 0)
		r = manifest_write(image, seal, 1);
	return r < 0 ? r : write_vault(image);
}

int main(int argc, char **argv) {
	int r = argc == 2 ? make(atol(argv[1])) : -EINVAL;

	if (r < 0)
		(void) fprintf(stderr, "make-vault: %s\n", strerror(-r));
	return r < 0;
}
