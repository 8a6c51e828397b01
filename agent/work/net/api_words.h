#pragma once

/* What crates.io's words mean, where they are known. Other registries may say the same. */

#include <stdbool.h>

#include "agent/work/frame.h"
#include "protocol/refusal.h"

struct api_meaning {
	enum refusal code;
	enum hint hint;
};

/* False for words that we do not know. */
bool api_words_read(const char *words, struct api_meaning *ret);
