#pragma once

/* What has to be asked before an act, by what protects the store. Decides; does nothing. */

enum act {
	ACT_NONE,    /* nothing secret leaves and nothing changes */
	ACT_RELEASE, /* a token goes to cargo for a mutation */
	ACT_LOGIN,   /* an account that is not there yet */
	ACT_REPLACE, /* a credential in place of another */
	ACT_LOGOUT,
	ACT_LOOSEN, /* something may happen from now on that could not before */
	_ACT_MAX,
};

/* What stands between the store and other programs of the user. */
enum protection {
	PROTECTION_PASSPHRASE,
	PROTECTION_UNATTENDED, /* it opens without a person: level 1 */
	PROTECTION_MEMORY,  /* in this process only; acts are granted beforehand */
	_PROTECTION_MAX,
};

enum approval {
	APPROVAL_FREE,
	APPROVAL_YES_NO,
	APPROVAL_PASSPHRASE,
	APPROVAL_REFUSED,
};

enum approval approval_for(enum act act, enum protection protection);

/* Assurance level 0 to 2, as `status` prints it. */
int protection_level(enum protection protection);
