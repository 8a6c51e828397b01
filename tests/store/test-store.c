/* The suite over every medium there is; tests of one medium alone lie beside it. */

#include "store-suite.h"

int main(void) {
	int n_failed = store_suite_run("memory");

	n_failed += store_suite_run("vault");
	return n_failed;
}
