#include "approval.h"

#include <assert.h>

/*
 * y/N guards against accidents only: a program can lend a terminal of its own
 * and type. So what hands out or replaces a secret asks for the passphrase,
 * which a program does not have.
 */
static const enum approval table[][_PROTECTION_MAX] = {
	[ACT_NONE] = {APPROVAL_FREE, APPROVAL_FREE, APPROVAL_FREE},
	[ACT_RELEASE] = {APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
	[ACT_LOGIN] = {APPROVAL_YES_NO, APPROVAL_YES_NO, APPROVAL_FREE},
	[ACT_REPLACE] = {APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
	[ACT_LOGOUT] = {APPROVAL_YES_NO, APPROVAL_YES_NO, APPROVAL_FREE},
	[ACT_LOOSEN] = {APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
};
static_assert(sizeof(table) / sizeof(table[0]) == _ACT_MAX, "a row for each act");

enum approval approval_for(enum act act, enum protection protection) {
	return table[act][protection];
}

int protection_level(enum protection protection) {
	return protection == PROTECTION_PASSPHRASE ? 2 : 1;
}
