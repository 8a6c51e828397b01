#pragma once

/* What to do about a registry's no, where crates.io's publishing guide says it. */

#include "agent/work/frame.h"

/* One sentence, static; NULL for HINT_NONE. */
const char *hint_sentence(enum hint hint);
