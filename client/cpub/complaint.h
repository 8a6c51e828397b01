#pragma once

/*
 * A sentence for a person about what is wrong with their configuration,
 * made where it is found and said by the verb. It goes with -EINVAL.
 */

/*
 * Formats the sentence into *ret (the caller frees). Returns -EINVAL, so that
 * the finder can return it at once, or -ENOMEM without a sentence.
 */
__attribute__((format(printf, 2, 3))) int complaint_make(char **ret, const char *format, ...);
