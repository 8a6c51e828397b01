#include "hint.h"

#include <assert.h>
#include <stddef.h>

/* After https://doc.rust-lang.org/cargo/reference/publishing.html and crates.io's own texts. */
static const char *const sentences[] = {
	[HINT_NONE] = NULL,
	[HINT_EMAIL] = "enter and verify your e-mail address at https://crates.io/settings/profile, "
		       "then publish again",
	[HINT_SCOPE] = "make a token that has the scope (publish-new for a new crate, publish-update, "
		       "yank, change-owners) and covers the crate at "
		       "https://crates.io/settings/tokens, then run `cpub-agent login --replace`",
	[HINT_OWNER] = "ask an owner of the crate to run `cpub-agent owner CRATE --add YOU`, or choose "
		       "another name",
	[HINT_TEAM] = "members of a team may publish and yank, and only owners named one by one may "
		      "change owners; a team is written github:ORG:TEAM, and you must be in it",
	[HINT_ORG_ACCESS] = "let an owner of the organisation grant crates.io access to it at "
			    "https://github.com/settings/connections/applications, then try again",
	[HINT_TRUSTED_PUBLISHING] = "this crate takes new versions from Trusted Publishing alone; "
				    "publish from its workflow, or change that in the crate's settings",
	[HINT_ACCOUNT_TOKEN] = "a token of Trusted Publishing can publish and nothing else; log in with "
			       "a token of your own as another account, `cpub-agent login --account NAME`",
};
static_assert(sizeof(sentences) / sizeof(sentences[0]) == _HINT_MAX, "a row for each hint");

const char *hint_sentence(enum hint hint) {
	return sentences[hint];
}
