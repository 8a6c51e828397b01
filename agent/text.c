#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int text_set(char **to, const char *from) {
	char *copy = from ? strdup(from) : NULL;

	if (from && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}
