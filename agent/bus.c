#include "bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/cleanup.h"

bool bus_is_there(void) {
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	_cleanup_(freep) char *path = NULL;

	if (address && address[0] != '\0')
		return true;
	if (!runtime || runtime[0] != '/' || asprintf(&path, "%s/bus", runtime) < 0)
		return false;
	return access(path, F_OK) == 0;
}
