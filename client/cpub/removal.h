#pragma once

/*
 * Empties a folder that others may be filling meanwhile: by descriptors, so that
 * no link that is put there leads out of it, and not for longer than a while.
 */

/* Not the folder itself, nor `kept`. What cannot be removed, or not within 5 seconds, stays. */
void removal_inside(const char *path, const char *kept);
