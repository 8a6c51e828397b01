/* The suite over every medium there is; tests of one medium alone lie beside it. */

#include <string.h>

#include "store-suite.h"

/* With a bus and an empty keyring at hand, `keyring` as the last word runs it over that one. */
int main(int argc, char **argv) {
	int n_failed;

	if (argc > 1 && strcmp(argv[argc - 1], "keyring") == 0)
		return store_suite_run("keyring");
	n_failed = store_suite_run("memory");
	n_failed += store_suite_run("vault");
	return n_failed;
}
