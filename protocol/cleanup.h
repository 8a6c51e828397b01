#pragma once

/*
 * Ownership of locals: declare with _cleanup_(x_freep), hand over with
 * TAKE_PTR or TAKE_FD, so that there is always exactly one owner.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

#define TAKE_PTR(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) *take_from_ = &(p);                                                  \
		__typeof__(p) taken_ = *take_from_;                                                \
		*take_from_ = NULL;                                                                \
		taken_;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	__extension__({                                                                            \
		int *take_from_ = &(fd);                                                           \
		int taken_ = *take_from_;                                                          \
		*take_from_ = -1;                                                                  \
		taken_;                                                                            \
	})

/* Makes x_freep for a destructor `type *x_free(type *)` that takes NULL. */
#define DEFINE_CLEANUP(type, free_function)                                                        \
	static inline void free_function##p(type **p) {                                            \
		if (*p)                                                                            \
			*p = free_function(*p);                                                    \
	}

static inline void freep(void *p) {
	free(*(void **) p);
}

/* Closes and returns -1; does nothing to a negative descriptor. */
static inline int fd_close(int fd) {
	if (fd >= 0)
		(void) close(fd); /* Nothing sensible is left to do about a failure here. */
	return -1;
}

static inline void fd_closep(int *fd) {
	*fd = fd_close(*fd);
}

static inline void file_closep(FILE **file) {
	if (*file)
		(void) fclose(*file); /* Only used on files that were read. */
}
